"""SIGKILL at any moment, SIGSTOP for longer than a lease: nothing is bought twice, nothing is lost.

``LINKT_KILL_ROUNDS`` sets how often a worker is killed (default 5), ``LINKT_KILL_SEED`` when.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.executions.scene import Scene, run, until

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("LINKT_KILL_ROUNDS", "5"))
SEED = int(os.environ.get("LINKT_KILL_SEED", "7"))
LONGEST_LIFE = 6.0  # seconds until a kill; a round that is let alone takes about as long

WORKER = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from pydantic import SecretStr
from linkt_pipeline.api import LinktClient
from linkt_pipeline.collection.resources import ENTITIES, SIGNALS
from linkt_pipeline.collection.runs import collect_runs
from linkt_pipeline.executions.execute import execute_tasks
from linkt_pipeline.collection.fetch import fetch_pending
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.sandbox.world.reference_data import FAIR, INGEST_TASK, MONITOR, SHEET_SIGNALS_TASK
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.ledger.choice import ledger_of
from tests.executions.scene import TIMING, search

retry = {"max_attempts": 2, "on": ["provider_error"], "backoff": "50ms"}
tasks = [
    search(parameters={"num_results": 30}, retry=retry),
    search(key="fair", task_id=INGEST_TASK, icp_id=FAIR, parameters={"input_entities": []}, retry=retry),
    search(key="news", task_id=SHEET_SIGNALS_TASK, icp_id=MONITOR, parameters={"num_results": 20}, retry=retry),
]

async def work(url, key, path, lease, only_one):
    warehouse = FileWarehouse(Path(path))
    async with LinktClient(url, SecretStr(key), retry_for=timedelta(seconds=5)) as client:
        ledger = ledger_of(warehouse, lease=timedelta(seconds=float(lease)))
        worker = Worker(client, warehouse, ledger, lambda event: print(event.text, flush=True), TIMING)
        outcomes = await execute_tasks(worker, tasks[:1] if only_one == "one" else tasks)
        for outcome in outcomes:
            print("outcome", outcome.task.key, outcome.error or "succeeded", flush=True)
        if only_one != "one":
            await collect_runs(client, warehouse)
            await fetch_pending(client, warehouse, ENTITIES)
            await fetch_pending(client, warehouse, SIGNALS)

print("ready", flush=True)
asyncio.run(work(*sys.argv[1:]))
print("done", flush=True)
"""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with running_sandbox(tmp_path / "linkt", speed=6) as sandbox:
        yield Scene(sandbox, FileWarehouse(tmp_path / "warehouse.duckdb"))


def start_worker(scene: Scene, *, lease: float = 60, only_one: bool = False) -> subprocess.Popen[str]:
    """A worker process, past its imports."""
    arguments = [scene.sandbox.url, scene.sandbox.api_key, str(scene.warehouse.path), str(lease)]
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, *arguments, "one" if only_one else "all"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish_worker(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate(timeout=90)
    assert process.returncode == 0, text
    return text


def check_the_books(scene: Scene) -> None:
    """Everything that Linkt holds and everything that the warehouse says about it, side by side."""
    theirs = scene.sandbox.world.runs
    owned = scene.query("select run_id from linkt.executions where run_id is not null")
    assert sorted(run_id for (run_id,) in owned) == sorted(theirs), "one ledger row per run, and no run without one"
    assert set(scene.states()) <= {"finished", "lost"}
    assert {run_id for (run_id,) in scene.query("select run_id from linkt.runs")} == set(theirs)
    for table, keys in {
        "runs": "run_id",
        "run_credits": "run_id, action_type",
        "run_resources": "run_id, resource_type, action, resource_id",
        "entities": "entity_id",
        "signals": "signal_id",
        "rejects": "resource_type, resource_id",
    }.items():
        twice = f"select {keys} from linkt.{table} group by {keys} having count(*) > 1"
        assert scene.query(twice) == [], f"duplicates in {table}"
    named = {
        (record.id, key)
        for record in theirs.values()
        for key in [*record.entities_created, *record.entities_updated, *record.signals_created]
    }
    settled = scene.query("select run_id, resource_id, state from linkt.run_resources")
    shown = {run_id for run_id, record in theirs.items() if record.outcome.get("output") == "full"}
    assert {(run_id, key) for run_id, key, _ in settled if run_id in shown} == {
        pair for pair in named if pair[0] in shown
    }
    assert {state for *_, state in settled} <= {"landed", "missing", "rejected"}
    there = {*scene.sandbox.world.own.entities, *scene.sandbox.world.own.signals}
    assert {key for _, key, state in settled if state == "landed"} == {key for _, key, _ in settled if key in there}
    have = scene.query("select entity_id from linkt.entities union all select signal_id from linkt.signals")
    assert {key for (key,) in have} == {key for _, key, state in settled if state == "landed"}
    assert {key for _, key, state in settled if state == "rejected"} == {
        key for (key,) in scene.query("select resource_id from linkt.rejects")
    }
    spent = sum(sum(theirs[run_id].credits.values()) for run_id in theirs if theirs[run_id].outcome["output"] != "null")
    ((total, broken_down),) = scene.query(
        "select (select sum(total_credits) from linkt.runs), "
        "(select sum(credits) from linkt.run_credits join linkt.runs using (run_id) where status = 'COMPLETED')"
    )
    assert total == pytest.approx(spent)
    completed = sum(sum(record.credits.values()) for record in theirs.values() if record.status == "COMPLETED")
    assert broken_down == pytest.approx(completed)


TROUBLES = (
    "lost_reply*0%0.15",
    "http_503=0.1@execute*0%0.1",
    "failed_run=provider_error*0%0.15",
    "missing_ids=2*0%0.5",
    "malformed_ids=1*0%0.5",
    "http_502@any*0%0.03",
    "reset@get_run*0%0.05",
    "cut_body@get_entity*0%0.05",
)


@pytest.mark.timeout(60 + 25 * ROUNDS)
def test_a_worker_that_is_killed_at_any_moment_buys_nothing_twice_and_loses_nothing(scene: Scene) -> None:
    moments = Random(SEED)
    for trouble in TROUBLES:
        scene.sandbox.inject(trouble)
    killed, said = 0, ""
    for _ in range(ROUNDS):
        process = start_worker(scene)
        try:
            process.wait(timeout=moments.uniform(0.0, LONGEST_LIFE))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        said += process.communicate(timeout=30)[0]

    scene.sandbox.world.faults.clear()
    said += finish_worker(start_worker(scene))

    assert killed > 0
    check_the_books(scene)
    # A crashed round is continued by the next, whether its run goes on or has ended. One outcome may be handed on and
    # not be printed any more.
    completed = "select task_key, count(*) from linkt.executions where run_status = 'COMPLETED' group by all"
    assert all(bought <= said.count(f"outcome {key} succeeded") + 1 for key, bought in scene.query(completed))


@pytest.mark.timeout(90)
def test_killed_again_and_again_while_one_run_goes_on_there_is_one_run(scene: Scene) -> None:
    """The plainest form of the promise: five crashes, one purchase."""
    scene.sandbox.inject("run_life=3600")
    for wait in (0.5, 1.0, 0.3, 1.5):
        process = start_worker(scene, only_one=True)
        time.sleep(wait)
        process.kill()
        process.communicate(timeout=30)
    for record in scene.sandbox.world.own.runs.values():
        record.status = "COMPLETED"

    assert "succeeded" in finish_worker(start_worker(scene, only_one=True))
    assert scene.sandbox.run_count() == 1
    assert scene.states().count("finished") == 1


# --- suspended for longer than its lease

LEASE = 4


def suspend(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGSTOP)


def wake(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGCONT)


def lease_ran_out(scene: Scene) -> bool:
    (row,) = scene.rows()
    return row.lease_until is not None and row.lease_until < datetime.now(UTC)


def suspended_outside_of_a_transaction(scene: Scene, process: subprocess.Popen[str]) -> None:
    """A process that is stopped while it holds the file keeps everybody out; that is another test's subject."""
    for _ in range(50):
        suspend(process)
        try:
            FileWarehouse(scene.warehouse.path, lock_timeout=scene.warehouse.lock_timeout / 100).migrate()
        except Exception:
            wake(process)
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the worker seems to hold the file all the time")


@pytest.mark.timeout(120)
def test_a_suspended_waiter_that_was_replaced_lands_nothing(scene: Scene) -> None:
    scene.sandbox.inject("run_life=8")
    sleeper = start_worker(scene, lease=LEASE, only_one=True)
    run(until(lambda: scene.warehouse.path.exists() and scene.states() == ["started"], every=0.2))
    suspended_outside_of_a_transaction(scene, sleeper)
    try:
        run(until(lambda: lease_ran_out(scene), every=0.2))
        successor = start_worker(scene, only_one=True)
        assert "succeeded" in finish_worker(successor)
        landed = scene.query("select fetched_at from linkt.runs")
    finally:
        wake(sleeper)

    text = finish_worker(sleeper)

    assert "was taken over by another process" in text
    assert scene.query("select fetched_at from linkt.runs") == landed
    assert (scene.posts(), scene.sandbox.run_count(), scene.states()) == (1, 1, ["finished"])


@pytest.mark.timeout(120)
def test_a_process_that_was_suspended_before_its_request_does_not_send_it_any_more(scene: Scene) -> None:
    """Between intention and request it waits for a rate limit, is suspended, and wakes when another one has bought."""
    scene.sandbox.inject("http_429=4@execute")
    sleeper = start_worker(scene, lease=LEASE, only_one=True)
    run(until(lambda: scene.posts() == 1))
    run(until(lambda: scene.states() == ["unknown"], every=0.2))
    suspended_outside_of_a_transaction(scene, sleeper)
    try:
        run(until(lambda: lease_ran_out(scene), every=0.2))
        assert "succeeded" in finish_worker(start_worker(scene, only_one=True))
    finally:
        wake(sleeper)

    text = finish_worker(sleeper)

    assert "this process slept longer than its lease, so it starts nothing" in text
    assert (scene.posts(), scene.sandbox.run_count()) == (2, 1)
    assert scene.states() == ["lost", "finished"]
