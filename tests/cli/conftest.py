"""A folder to run the command in, and a Linkt API on loopback for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from linkt_pipeline.sandbox import Sandbox, running_sandbox, stop_sandbox
from tests.cli.command import TASKS_YAML, Command
from tests.few_models import write_few_models


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    yield Command(tmp_path)
    stop_sandbox(tmp_path / "data" / "sandbox" / "api")  # started by what was run without a key


@pytest.fixture
def api() -> Iterator[Sandbox]:
    with running_sandbox(speed=20) as served:
        yield served


@pytest.fixture(scope="session")
def few_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For commands that are not about models."""
    return write_few_models(tmp_path_factory.mktemp("project") / "sql")


@pytest.fixture
def live(command: Command, api: Sandbox, few_models: Path) -> Command:
    """A deployment with a key, a tasks.yaml and few models, whose host happens to be on loopback."""
    (command.folder / "tasks.yaml").write_text(TASKS_YAML)
    command.env |= {"LINKT_API_KEY": api.api_key, "LINKT_BASE_URL": api.url, "LINKT_SQL_DIR": str(few_models)}
    return command
