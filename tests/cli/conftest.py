"""A folder to run the command in, and a Linkt API on loopback for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from linkt_pipeline.sandbox import Sandbox, running_sandbox, stop_sandbox
from tests.cli.command import TASKS_YAML, Command


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    yield Command(tmp_path)
    stop_sandbox(tmp_path / "data" / "sandbox" / "api")  # started by what was run without a key


@pytest.fixture
def api() -> Iterator[Sandbox]:
    with running_sandbox(speed=20) as served:
        yield served


@pytest.fixture
def live(command: Command, api: Sandbox) -> Command:
    """A deployment with a key and a tasks.yaml, whose host happens to be on loopback."""
    (command.folder / "tasks.yaml").write_text(TASKS_YAML)
    command.env |= {"LINKT_API_KEY": api.api_key, "LINKT_BASE_URL": api.url}
    return command
