"""A folder to run the command in, and a Linkt API on loopback for it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkt_pipeline.package_files import BUILT_IN_SQL
from linkt_pipeline.sandbox import Sandbox, running_sandbox, stop_sandbox
from linkt_pipeline.transform import load_kept_project, warehouse_sources
from linkt_pipeline.transform.kept_project import KEPT_PROJECT
from linkt_pipeline.warehouse.migration import empty_warehouse
from tests.cli.command import TASKS_YAML, Command
from tests.few_models import write_few_models


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    yield Command(tmp_path, forked=True)
    stop_sandbox(tmp_path / "data" / "sandbox" / "api")  # started by what was run without a key


@pytest.fixture
def api() -> Iterator[Sandbox]:
    with running_sandbox(speed=20) as served:
        yield served


@pytest.fixture(scope="session")
def few_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For commands that are not about models."""
    return write_few_models(tmp_path_factory.mktemp("project") / "sql")


@pytest.fixture(scope="session")
def kept_models(few_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a deployment keeps of them, once a process has read them."""
    folder = tmp_path_factory.mktemp("kept")
    with empty_warehouse() as con:
        sources = warehouse_sources(con)
    load_kept_project([BUILT_IN_SQL, few_models], sources, folder)
    return folder / KEPT_PROJECT


@pytest.fixture
def live(command: Command, api: Sandbox, few_models: Path, kept_models: Path) -> Command:
    """A deployment with a key, a tasks.yaml and few models, whose host happens to be on loopback."""
    (command.folder / "data").mkdir(mode=0o700)
    shutil.copy(kept_models, command.folder / "data")
    (command.folder / "tasks.yaml").write_text(TASKS_YAML)
    command.env |= {"LINKT_API_KEY": api.api_key, "LINKT_BASE_URL": api.url, "LINKT_SQL_DIR": str(few_models)}
    return command
