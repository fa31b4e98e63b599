"""One ``dagster dev`` on the built-in sandbox for the tests of a file."""

from collections.abc import Iterator

import pytest

from linkt_pipeline.sandbox import stop_sandbox

from .dagster_dev import DagsterDev, dagster_dev


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    folder = tmp_path_factory.mktemp("deployment")
    data = folder / "data"
    with pytest.MonkeyPatch.context() as environment:
        for variable in ("LINKT_API_KEY", "LINKT_BASE_URL", "LINKT_TASKS_FILE"):
            environment.delenv(variable, raising=False)
        try:
            with dagster_dev(folder, {"LINKT_DATA_DIR": str(data)}, home=data / "sandbox") as running:
                yield running
        finally:
            stop_sandbox(data / "sandbox" / "api")
