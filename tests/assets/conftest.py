from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from linkt_pipeline.sandbox import running_sandbox
from tests.assets.deployment import API_KEY, TASKS, Deployment
from tests.few_models import write_few_models


def deploy(folder: Path) -> Iterator[Deployment]:
    (folder / "tasks.yaml").write_text(TASKS, encoding="utf-8")
    with (
        running_sandbox(speed=60, api_key=API_KEY) as sandbox,
        pytest.MonkeyPatch.context() as environment,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        environment.setenv("LINKT_API_KEY", API_KEY)
        environment.setenv("LINKT_BASE_URL", sandbox.url)
        environment.setenv("LINKT_DATA_DIR", str(folder / "data"))
        environment.setenv("LINKT_TASKS_FILE", str(folder / "tasks.yaml"))
        yield Deployment(sandbox, folder, instance)


def copied_sql(folder: Path) -> Iterator[Path]:
    """Few models, in a folder that lies over the built-in one, so that tests may change them."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LINKT_SQL_DIR", str(write_few_models(folder)))
        yield folder


@pytest.fixture
def own_sql(tmp_path: Path) -> Iterator[Path]:
    """Few models that a test may change."""
    yield from copied_sql(tmp_path / "sql")


@pytest.fixture(scope="module")
def few_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Few models for a module whose tests are not about them."""
    yield from copied_sql(tmp_path_factory.mktemp("project") / "sql")


@pytest.fixture
def deployment(tmp_path: Path, few_models: Path) -> Iterator[Deployment]:
    """A deployment that has run nothing yet, with few models."""
    yield from deploy(tmp_path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment that the tests of a module share."""
    yield from deploy(tmp_path_factory.mktemp("deployment"))
