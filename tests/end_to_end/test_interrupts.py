"""Terminate in the UI, a bare SIGTERM, kill -9: what each does to a Linkt run, with real Dagster processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from linkt_pipeline.sandbox import Sandbox, running_sandbox
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.end_to_end.dagster_dev import DagsterDev, dagster_dev
from tests.few_models import write_few_models

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TASKS = """
tasks:
  search: {task_id: 6964b9b45a4d0beef1000031, icp_id: 6964b8105a4d0beef1000011, poll_interval: 200ms, max_wait: 5m}
  signals: {task_id: 6964ba2c5a4d0beef1000033, icp_id: 6964b8885a4d0beef1000013, poll_interval: 3s, max_wait: 5m}
"""
SEARCH = "6964b9b45a4d0beef1000031"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    # A search lasts a minute here, so that an interrupt surely falls into the wait.
    with running_sandbox(speed=0.1) as served:
        yield served


@pytest.fixture(scope="module")
def dagster(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    folder = tmp_path_factory.mktemp("deployment")
    (folder / "tasks.yaml").write_text(TASKS, encoding="utf-8")
    environment = {
        "LINKT_API_KEY": sandbox.api_key,
        "LINKT_BASE_URL": sandbox.url,
        "LINKT_DATA_DIR": str(folder / "data"),
        "LINKT_TASKS_FILE": str(folder / "tasks.yaml"),
        "LINKT_SQL_DIR": str(write_few_models(folder / "sql")),
    }
    with dagster_dev(folder, environment) as running:
        yield running


def ledger(dagster: DagsterDev) -> list[tuple[str, str, str]]:
    """State, run id and run status of every execution, oldest first."""
    with FileWarehouse(dagster.home / "warehouse.duckdb").read() as con:
        return con.execute("select state, run_id, run_status from linkt.executions order by intended_at").fetchall()


def eventually(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.1)


def worker_of(dagster: DagsterDev) -> psutil.Process:
    """The process that waits, by the lease it holds."""

    def owners() -> list[tuple[str]]:
        with FileWarehouse(dagster.home / "warehouse.duckdb").read() as con:
            return con.execute(
                "select lease_owner from linkt.executions where state = 'started' and lease_owner is not null"
            ).fetchall()

    eventually(lambda: len(owners()) == 1)
    [(owner,)] = owners()
    return psutil.Process(int(owner.split("/")[-2]))


def started(dagster: DagsterDev, sandbox: Sandbox, runs_before: int) -> str:
    """Materialize ``search`` and wait until its run id is in the ledger."""
    run_id = dagster.materialize("search")
    eventually(lambda: sandbox.run_count(SEARCH) == runs_before + 1, 60)
    eventually(lambda: any(state == "started" for state, _, _ in ledger(dagster)))
    return run_id


def test_terminate_cancels_sigterm_leaves_and_sigkill_is_adopted(dagster: DagsterDev, sandbox: Sandbox) -> None:
    # Terminate, as a person does it in the UI: the Linkt run is cancelled and landed.
    terminated = started(dagster, sandbox, 0)
    dagster.terminate(terminated)
    assert dagster.wait_until(terminated) == "CANCELED"
    eventually(lambda: [(state, status) for state, _, status in ledger(dagster)] == [("finished", "CANCELED")])
    assert "is cancelled in Linkt" in dagster.messages(terminated)

    # A bare SIGTERM, as a deploy or an eviction sends it: the Linkt run goes on.
    started(dagster, sandbox, 1)
    worker = worker_of(dagster)
    worker.send_signal(signal.SIGTERM)
    worker.wait(30)
    [_, (state, linkt_run, _)] = ledger(dagster)
    assert state == "started"
    assert sandbox.world.find_run(linkt_run).status not in ("CANCELED", "COMPLETED")

    # Materialized again, the same run is adopted; killed without any warning, it is adopted once more.
    adopted = dagster.materialize("search")
    eventually(lambda: f"adopted run {linkt_run}" in dagster.messages(adopted))
    os.kill(worker_of(dagster).pid, signal.SIGKILL)
    again = dagster.materialize("search")
    eventually(lambda: f"adopted run {linkt_run}" in dagster.messages(again))
    assert dagster.wait_until(again) == "SUCCESS"

    assert sandbox.run_count(SEARCH) == 2
    assert [(state, status) for state, _, status in ledger(dagster)] == [
        ("finished", "CANCELED"),
        ("finished", "COMPLETED"),
    ]


def test_the_warehouse_is_free_while_a_run_is_waited_for(dagster: DagsterDev, sandbox: Sandbox) -> None:
    waiting = dagster.materialize("signals")
    eventually(lambda: "RUNNING" in dagster.messages(waiting), 60)
    # Each look at the run is written down at once; between two of them, 3 s, nobody has the file.
    with FileWarehouse(dagster.home / "warehouse.duckdb", lock_timeout=timedelta(seconds=15)).read() as con:
        assert con.execute("select count(*) from linkt.executions where state = 'started'").fetchall() == [(1,)]
    dagster.terminate(waiting)
    assert dagster.wait_until(waiting) == "CANCELED"


def test_ctrl_c_twice_on_a_process_group_does_not_cut_the_handler_short(tmp_path: Path, sandbox: Sandbox) -> None:
    (tmp_path / "tasks.yaml").write_text(
        f"tasks:\n  search: {{task_id: {SEARCH}, poll_interval: 200ms, max_wait: 5m, on_terminate: cancel}}\n"
    )
    environment = {
        "LINKT_API_KEY": sandbox.api_key,
        "LINKT_BASE_URL": sandbox.url,
        "LINKT_DATA_DIR": str(tmp_path / "data"),
    }
    # Cancelling takes its time here, so that the second signal falls into the handler of the first.
    sandbox.inject("late_reply=1@cancel_run*1")
    before = sandbox.run_count(SEARCH)
    command = [sys.executable, "-m", "linkt_pipeline.cli", "run", "search"]
    process = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **environment}, start_new_session=True)
    try:
        eventually(lambda: sandbox.run_count(SEARCH) == before + 1, 60)
        warehouse = FileWarehouse(tmp_path / "data" / "warehouse.duckdb")
        eventually(lambda: states(warehouse) == ["started"])
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
    newest = max(sandbox.world.runs.values(), key=lambda run: run.number)
    assert newest.status == "CANCELED"
    assert states(warehouse) == ["finished"]


def states(warehouse: Warehouse) -> list[str]:
    """States of all executions, oldest first."""
    with warehouse.read() as con:
        return [row[0] for row in con.execute("select state from linkt.executions order by intended_at").fetchall()]
