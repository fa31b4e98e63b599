"""What the command says of a Dagster run that failed."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from linkt_pipeline.cli import dagster_run, execution, launch
from linkt_pipeline.cli.dagster_run import JobResult, StepFailure
from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.main import run_command
from linkt_pipeline.warehouse.engines.file import FileWarehouse

HOLD = """
import sys, time, duckdb
con = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""
FAILED = JobResult("d1", False, (StepFailure("linkt__runs", "the disk said no"),), (), {})


@pytest.fixture
def failing_job(tmp_path: Path, monkeypatch) -> Iterator[None]:
    """Every job fails, and when it ends another program holds the warehouse."""
    for name in ("LINKT_API_KEY", "LINKT_DATA_DIR", "LINKT_TASKS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data" / "sandbox" / "warehouse.duckdb"
    monkeypatch.setattr(Deployment, "warehouse", FileWarehouse(path, lock_timeout=timedelta(seconds=0.2)))
    holders: list[subprocess.Popen[str]] = []

    def run_job(*arguments: object, **named: object) -> JobResult:
        holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        return FAILED

    monkeypatch.setattr(dagster_run, "run_job", run_job)
    monkeypatch.setattr(execution, "run_job", run_job)
    yield
    for holder in holders:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize(("paid", "code"), [(True, 3), (False, 1)])
def test_a_failure_after_the_paid_step_elsewhere_has_the_exit_code_of_one_here(
    tmp_path: Path, monkeypatch, capsys, paid: bool, code: int
) -> None:
    """The warehouse of the deployment is on another machine, so only the Dagster run says what is paid."""

    class Elsewhere:
        def __init__(self, settings: object) -> None: ...

        def execute(self, tasks: object, *, again: bool, over_budget: bool) -> str:
            return "d1"

        def follow(self, run_id: str, progress: object) -> JobResult:
            return replace(FAILED, paid=paid, page="http://dagster/runs/d1")

    monkeypatch.setattr(launch, "RemoteDeployment", Elsewhere)
    monkeypatch.setenv("LINKT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LINKT_USE_SANDBOX", "1")
    monkeypatch.chdir(tmp_path)

    assert run_command(("run", "--launch", "--all")) == code

    told = capsys.readouterr().err
    assert "error: the disk said no" in told
    assert "Everything about it: http://dagster/runs/d1" in told
    assert ("paid, but not all landed and published" in told) is paid


@pytest.mark.parametrize("arguments", [("sync",), ("run", "--all")], ids=["sync", "run"])
def test_why_it_failed_is_told_before_the_warehouse_is_asked_for_counts(failing_job, capsys, arguments):
    assert run_command(arguments) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert told[0] == "error: the disk said no"
    assert "held by python" in told[1]
