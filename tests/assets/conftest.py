import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from linkt_pipeline.sandbox import running_sandbox
from tests.assets.deployment import API_KEY, TASKS, Deployment
from tests.paths import PROJECT_ROOT


def deploy(folder: Path) -> Iterator[Deployment]:
    (folder / "tasks.yaml").write_text(TASKS, encoding="utf-8")
    with (
        running_sandbox(speed=60, api_key=API_KEY) as sandbox,
        pytest.MonkeyPatch.context() as environment,
        dg.DagsterInstance.local_temp(str(folder)) as instance,
    ):
        environment.setenv("LINKT_API_KEY", API_KEY)
        environment.setenv("LINKT_BASE_URL", sandbox.url)
        environment.setenv("LINKT_DATA_DIR", str(folder / "data"))
        environment.setenv("LINKT_TASKS_FILE", str(folder / "tasks.yaml"))
        yield Deployment(sandbox, folder, instance)


def copied_sql(folder: Path) -> Iterator[Path]:
    """A copy of sql/ that lies over the built-in one, so that tests may change it."""
    shutil.copytree(PROJECT_ROOT / "sql", folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LINKT_SQL_DIR", str(folder))
        yield folder


@pytest.fixture
def own_sql(tmp_path: Path) -> Iterator[Path]:
    """A copy of sql/ that a test may change."""
    yield from copied_sql(tmp_path / "sql")


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment that has run nothing yet."""
    yield from deploy(tmp_path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment that the tests of a module share."""
    yield from deploy(tmp_path_factory.mktemp("deployment"))
