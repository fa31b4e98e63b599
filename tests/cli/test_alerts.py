"""``alerts`` and ``alerts test``, and what ``run``, ``sync`` and ``status`` do about alerts, with real receivers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkt_pipeline.cli.alerting import alerts_afterwards
from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.main import run_command
from linkt_pipeline.sandbox import Sandbox
from tests.alerts.receivers import Receiver, free_port, http_receiver
from tests.cli.command import SEARCH, TASKS_YAML, Command, wait_until
from tests.cli.test_run import start_elsewhere

SECRET = "very-secret-token"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("LINKT_DATA_DIR", "LINKT_TASKS_FILE", "LINKT_BASE_URL", "LINKT_DAGSTER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LINKT_API_KEY", "sk-of-nobody")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tasks_yaml(folder: Path, *addresses: str) -> None:
    alerts = "".join(f"  - to: {address}\n" for address in addresses)
    (folder / "tasks.yaml").write_text(TASKS_YAML + (f"alerts:\n{alerts}" if alerts else ""))


def test_a_test_alert_goes_to_every_channel_and_says_which_has_not_taken_it(
    folder: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEAD_HOOK", f"json://127.0.0.1:{free_port()}/{SECRET}")
    tasks_yaml(folder, receiver.address(), "${DEAD_HOOK}", receiver.address("second"))

    assert run_command(["alerts", "test"]) == 1

    told = capsys.readouterr()
    assert told.out.splitlines() == ["json: sent", "json 2: sent"]
    assert told.err.startswith("DEAD_HOOK: not sent: ")
    assert SECRET not in told.err
    assert receiver.titles == ["Test alert of linkt-pipeline"] * 2
    tasks_yaml(folder, receiver.address())
    assert run_command(["alerts", "test"]) == 0


def test_without_a_channel_or_apprise_a_test_is_wrong_usage(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks_yaml(folder)
    assert run_command(["alerts", "test"]) == 2
    assert "names no channel" in capsys.readouterr().err

    tasks_yaml(folder, "json://127.0.0.1")
    monkeypatch.setattr("linkt_pipeline.alerts.sending.is_installed", lambda: False)
    assert run_command(["alerts", "test"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: tasks.yaml names alerts, and Apprise, which sends them, is not installed: "
        "pip install 'linkt-pipeline[alerts]'"
    ]


def test_the_channels_are_listed_with_what_they_are_told_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks_yaml(folder, f"json://{SECRET}")

    assert run_command(["alerts"]) == 0

    told = capsys.readouterr().out
    assert "json receives: check_failed, credit_limit, rejected, run_failed, stale, unclear_start" in told
    assert SECRET not in told


@pytest.mark.parametrize(
    "spoil", ["alerts: 3\n", "alerts:\n  - to: json://127.0.0.1\n"], ids=["tasks.yaml", "warehouse"]
)
def test_whatever_keeps_alerts_from_being_sent_changes_nothing_of_the_work(
    folder: Path, spoil: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """tasks.yaml was changed while the command worked; the warehouse can't be read."""
    tasks_yaml(folder)
    deployment = Deployment.from_environment()

    with alerts_afterwards(deployment):
        (folder / "tasks.yaml").write_text(TASKS_YAML + spoil)
        (folder / "data").mkdir()
        (folder / "data" / "warehouse.duckdb").write_text("no database")

    assert capsys.readouterr().err.startswith("note: alerts could not be sent this time: ")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_failed_run_is_told_when_the_command_has_done_its_work(
    live: Command, api: Sandbox, receiver: Receiver
) -> None:
    """A dead channel beside it changes neither the outcome nor the exit code of anything, and `status` shows it."""
    api.inject("failed_run=timeout")
    tasks_yaml(live.folder, receiver.address(), f"json://127.0.0.1:{free_port()}/{SECRET}")

    ended = live("run", "search", timeout=400, LINKT_DAGSTER_URL="http://dagster.example:3000")
    again = live("sync")

    assert (ended.code, again.code) == (1, 0)
    (message,) = receiver.messages
    assert message["title"] == "Linkt run of task search ended FAILED: timeout"
    assert "Dagster run: http://dagster.example:3000/runs/" in message["message"]
    assert "note: alert channel json 2 took no alert and is tried again later" in ended.err
    status = live("status", "--json")
    assert [(row["channel"], row["pending"], row["failures"] > 0) for row in json.loads(status.out)["alerts"]] == [
        ("json", 0, False),
        ("json 2", 1, True),
    ]
    shown = live("status").out
    assert "Alerts (`linkt-pipeline alerts test` tries each channel)" in shown
    texts = "".join([ended.out, ended.err, again.out, again.err, status.out, shown, receiver.texts])
    assert SECRET not in texts
    assert api.api_key not in texts


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_linkt_started_and_that_failed_is_told_by_sync(
    live: Command, api: Sandbox, receiver: Receiver
) -> None:
    api.inject("crashed_run")
    run_id = start_elsewhere(api, SEARCH)
    tasks_yaml(live.folder, receiver.address())

    wait_until(lambda: api.world.runs[run_id].status == "CRASHED", "the end of the run")

    assert live("sync", timeout=400).code == 0

    assert receiver.titles == ["Linkt run ended CRASHED: other"]
