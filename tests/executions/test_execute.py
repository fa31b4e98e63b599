"""Executing tasks: retries that are paid for one by one, failures that say what to do, and one run for two workers."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from linkt_pipeline.collection.error_kind import ADVICE
from linkt_pipeline.collection.land_runs import land_runs, landed_run
from linkt_pipeline.collection.seen_run import SeenRun, see_run
from linkt_pipeline.executions.errors import RunFailedError
from linkt_pipeline.executions.events import RunEnded, RunStarted
from linkt_pipeline.executions.execute import Outcome, backoff, execute_tasks
from linkt_pipeline.executions.start import start_or_adopt
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.values import CreditLimitReachedError, Execution, ExecutionState
from linkt_pipeline.sandbox.world.reference_data import FAIR, INGEST_TASK, SHEET_SIGNALS_TASK
from linkt_pipeline.tasks import ErrorKind, TaskSpec
from tests.engines import WITH_EACH_LEDGER, place_of
from tests.ledger.stores import POSTGRES_ADDRESS

from .scene import Scene, run, search, until

RETRY = {"max_attempts": 3, "on": ["provider_error", "rate_limit"], "backoff": "20ms"}


@WITH_EACH_LEDGER
def test_a_completed_run_is_landed_with_its_row_in_the_ledger(scene: Scene) -> None:
    (outcome,) = scene.execute(search())

    assert outcome.succeeded
    assert outcome.run is not None
    (row,) = scene.rows()
    assert (row.state, row.run_status, row.error_kind) == (ExecutionState.FINISHED, "COMPLETED", None)
    assert (row.run_id, row.lease_owner) == (outcome.run.id, None)
    assert row.intended_at <= (row.started_at or row.intended_at) <= (row.finished_at or row.intended_at)
    assert scene.query("select run_id, status, total_credits from linkt.runs") == [
        (outcome.run.id, "COMPLETED", outcome.run.total_credits)
    ]
    named = len(outcome.run.entities_created) + len(outcome.run.entities_updated)
    assert scene.query("select count(*), any_value(state) from linkt.run_resources") == [(named, "pending")]
    assert [type(event) for event in scene.events if isinstance(event, RunStarted | RunEnded)] == [RunStarted, RunEnded]


def test_a_run_is_as_old_as_its_reply_however_late_it_is_landed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an older picture that waited for the warehouse would overwrite a newer one."""
    call = Worker.call

    async def late(self: Worker, function: Any, *args: Any, **kwargs: Any) -> Any:
        if function.__name__ == "land":
            await asyncio.sleep(0.5)
        return await call(self, function, *args, **kwargs)

    monkeypatch.setattr(Worker, "call", late)
    scene.execute(search())

    ((fetched_at,),) = scene.query("select fetched_at from linkt.runs")
    assert scene.query("select distinct named_at from linkt.run_resources") == [(fetched_at,)]
    (row,) = scene.rows()
    assert row.finished_at is not None
    assert row.finished_at - fetched_at >= timedelta(seconds=0.4)


def test_an_older_picture_of_a_run_does_not_overwrite_a_newer_one(scene: Scene) -> None:
    (outcome,) = scene.execute(search())
    assert outcome.run is not None
    seen = landed_run(scene.warehouse, outcome.run.id)
    older = outcome.run.model_copy(update={"error": "from a replica"}).read_from("{}", {})

    land_runs(scene.warehouse, [SeenRun(older, seen.seen_at - timedelta(seconds=1))])

    assert landed_run(scene.warehouse, outcome.run.id) == seen


def test_tasks_of_every_kind_side_by_side(scene: Scene) -> None:
    outcomes = scene.execute(
        search(),
        search(key="fair", task_id=INGEST_TASK, icp_id=FAIR, parameters={"input_entities": []}),
        search(key="news", task_id=SHEET_SIGNALS_TASK, icp_id=None, parameters={}),
    )

    assert [outcome.succeeded for outcome in outcomes] == [True] * 3
    assert scene.query("select distinct task_type from linkt.runs order by 1") == [
        ("ingest",),
        ("search",),
        ("signal",),
    ]


def test_executing_again_after_the_end_buys_a_new_run(scene: Scene) -> None:
    first, second = scene.execute(search()) + scene.execute(search())

    assert first.run is not None
    assert second.run is not None
    assert first.run.id != second.run.id


# --- retries


@WITH_EACH_LEDGER
def test_a_listed_kind_is_tried_again_as_a_row_of_its_own(scene: Scene) -> None:
    scene.sandbox.inject("failed_run=provider_error*2")

    (outcome,) = scene.execute(search(retry=RETRY))

    assert outcome.succeeded
    rows = scene.rows()
    assert [(row.attempt, row.run_status) for row in rows] == [(1, "FAILED"), (2, "FAILED"), (3, "COMPLETED")]
    assert len({row.run_id for row in rows}) == scene.sandbox.run_count() == scene.posts() == 3
    assert rows[0].error_kind == ErrorKind.PROVIDER_ERROR
    assert scene.query("select count(*) from linkt.runs") == [(3,)]


def test_no_more_attempts_than_listed(scene: Scene) -> None:
    scene.sandbox.inject("failed_run=provider_error*0")

    (outcome,) = scene.execute(search(retry={**RETRY, "max_attempts": 2}))

    assert isinstance(outcome.error, RunFailedError)
    assert scene.posts() == 2


@pytest.mark.parametrize(
    ("changes", "fault", "cause"),
    [({}, "http_403@execute+1", "Linkt refused to start it"), ({"monthly_credit_limit": 0.1}, None, "0.1 credits")],
    ids=["refused", "credit limit"],
)
def test_a_retry_that_can_not_start_hides_no_failure(
    scene: Scene, changes: dict[str, Any], fault: str | None, cause: str
) -> None:
    scene.sandbox.inject("failed_run=provider_error")
    if fault:
        scene.sandbox.inject(fault)

    (outcome,) = scene.execute(search(retry=RETRY, parameters={"num_results": 6}, **changes))

    failed = scene.rows()[0]
    assert outcome.execution is not None
    assert outcome.execution.execution_id == failed.execution_id
    assert outcome.run is not None
    assert outcome.run.id == failed.run_id
    first, second = str(outcome.error).splitlines()
    assert f"run {failed.run_id} ended FAILED (provider_error: " in first
    assert second.startswith("Attempt 2 could not be started: ")
    assert cause in second


@pytest.mark.parametrize("kind", ["invalid_configuration", "sheet_capacity", "timeout"])
def test_a_kind_that_is_not_listed_fails_with_advice(scene: Scene, kind: str) -> None:
    scene.sandbox.inject(f"failed_run={kind}")

    (outcome,) = scene.execute(search(retry=RETRY))

    assert isinstance(outcome.error, RunFailedError)
    assert outcome.error.kind == kind
    assert ADVICE[ErrorKind(kind)] in str(outcome.error)
    assert scene.posts() == 1
    assert scene.rows()[0].error_kind == kind


def test_the_pause_doubles_with_every_attempt() -> None:
    task = search(retry={"max_attempts": 5, "backoff": "30s"})

    assert [backoff(task, attempt).total_seconds() for attempt in (1, 2, 3, 4)] == [30, 60, 120, 240]


@WITH_EACH_LEDGER
def test_attempts_are_counted_on_across_processes(scene: Scene) -> None:
    """A process dies while its second attempt runs; the next one does not begin to count anew."""
    scene.sandbox.inject("failed_run=provider_error*0")
    scene.sandbox.inject("run_life=1+1")

    async def work() -> None:
        async with scene.worker() as worker:
            executing = asyncio.create_task(execute_tasks(worker, [search(retry=RETRY)]))
            await until(lambda: scene.states() == ["finished", "started"])
            executing.cancel()
            await asyncio.wait([executing])
            worker.ledger.release(worker.owner)

    run(work())
    (outcome,) = scene.execute(search(retry=RETRY))

    assert isinstance(outcome.error, RunFailedError)
    assert [row.attempt for row in scene.rows()] == [1, 2, 3]
    assert scene.posts() == 3


def test_the_credits_of_a_failed_run_are_landed_and_told(scene: Scene) -> None:
    scene.sandbox.inject("failed_run=timeout")

    (outcome,) = scene.execute(search(parameters={"num_results": 6}))

    assert outcome.run is not None
    credits = outcome.run.total_credits
    assert credits is not None
    assert credits > 0
    assert f"it cost {credits:g} credits" in str(outcome.error)
    assert scene.query("select total_credits, status, error_kind from linkt.runs") == [(credits, "FAILED", "timeout")]
    assert scene.query("select count(*) > 0 from linkt.run_resources") == [(True,)]


@pytest.mark.parametrize("fault", ["crashed_run", "null_output", "legacy_output", "empty_run"])
def test_a_run_that_tells_little_is_landed_all_the_same(scene: Scene, fault: str) -> None:
    scene.sandbox.inject(fault)

    scene.execute(search())

    assert scene.states() == ["finished"]
    assert scene.query("select count(*) from linkt.runs") == [(1,)]


@WITH_EACH_LEDGER
def test_the_monthly_limit_refuses_with_the_figures_before_anything_is_sent(scene: Scene) -> None:
    task = search(parameters={"num_results": 4})
    (first,) = scene.execute(task)
    assert first.run is not None
    spent = first.run.total_credits or 0

    (outcome,) = scene.execute(search(parameters={"num_results": 4}, monthly_credit_limit=spent))

    assert isinstance(outcome.error, CreditLimitReachedError)
    assert f"{spent:g} of {spent:g} credits" in str(outcome.error)
    assert f"{datetime.now(UTC):%B %Y}" in str(outcome.error)
    assert (scene.posts(), len(scene.rows())) == (1, 1)
    assert scene.execute(search(parameters={"num_results": 4}, monthly_credit_limit=2 * spent))[0].succeeded
    assert (
        f"saas: the run is expected to cost {spent:g} credits (median of the task's last completed runs); {spent:g} "
        in (scene.texts)
    )


# --- one run for many


@WITH_EACH_LEDGER
def test_two_workers_of_one_process_get_one_run(scene: Scene) -> None:
    scene.sandbox.inject("run_life=0.6*0")
    ready = threading.Barrier(3)

    def execute(_: int) -> Outcome:
        ready.wait(timeout=30)
        return scene.execute(search())[0]

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(execute, range(3)))

    assert all(outcome.succeeded for outcome in outcomes)
    assert len({outcome.run.id for outcome in outcomes if outcome.run}) == 1
    assert (scene.posts(), scene.states()) == (1, ["finished"])


def lead_and_follow(scene: Scene, error: str, *tasks: TaskSpec) -> list[Outcome]:
    """One worker starts a run, another one follows it, and then the run fails."""
    scene.sandbox.inject("run_life=3600")

    async def work() -> list[list[Outcome]]:
        async with scene.worker() as leader, scene.worker() as follower:
            leading = asyncio.create_task(execute_tasks(leader, [tasks[0]]))
            await until(lambda: scene.states() == ["started"])
            following = asyncio.create_task(execute_tasks(follower, [tasks[1]]))
            await until(lambda: "following it" in scene.texts)
            (record,) = scene.sandbox.world.own.runs.values()
            record.error, record.status = error, "FAILED"
            return await asyncio.gather(leading, following)

    return [outcome for (outcome,) in run(work())]


@WITH_EACH_LEDGER
def test_two_workers_that_see_a_run_fail_retry_it_once(scene: Scene) -> None:
    """The faster one's second attempt is over before the slower one asks: nothing is bought a third time."""
    slow = search(retry={**RETRY, "backoff": "1500ms"})

    outcomes = lead_and_follow(scene, "Provider error", search(retry=RETRY), slow)

    assert [outcome.succeeded for outcome in outcomes] == [True, True]
    assert [row.run_status for row in scene.rows()] == ["FAILED", "COMPLETED"]
    assert scene.posts() == scene.sandbox.run_count() == 2


def test_a_follower_of_a_failed_run_fails_with_it(scene: Scene) -> None:
    errors = [str(outcome.error) for outcome in lead_and_follow(scene, "timed out", search(), search())]

    assert errors[0] == errors[1]
    assert "timeout: timed out" in errors[0]
    assert scene.posts() == 1


@WITH_EACH_LEDGER
@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELED"])
def test_a_run_that_is_landed_just_when_its_process_is_gone_is_not_bought_again(
    scene: Scene, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The follower sees that nobody holds the row; before it can take the row over, a sync has landed the run."""
    scene.sandbox.inject("run_life=3600")

    async def work() -> list[Outcome]:
        async with scene.worker() as leader, scene.worker() as follower:
            await start_or_adopt(leader, search())
            following = asyncio.create_task(execute_tasks(follower, [search()]))
            await until(lambda: "following it" in scene.texts)
            (record,) = scene.sandbox.world.own.runs.values()
            record.status = status
            ended = await see_run(leader.client, record.id)
            looked = follower.ledger.look

            def look(execution_id: str) -> tuple[Execution, bool]:
                row, is_free = looked(execution_id)
                if is_free and scene.states() == ["started"]:
                    land_runs(scene.warehouse, [ended])
                return row, is_free

            monkeypatch.setattr(follower.ledger, "look", look)
            await leader.release_leases()
            return await following

    (outcome,) = run(work())

    assert (scene.posts(), scene.states()) == (1, ["finished"])
    assert (outcome.run and outcome.run.raw_status, outcome.succeeded) == (status, status == "COMPLETED")


WORKER_PROCESS = """
import asyncio, sys
from pydantic import SecretStr
from linkt_pipeline.api import LinktClient
from linkt_pipeline.executions.execute import execute_tasks
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.ledger import Ledger
from tests.engines import warehouse_at
from tests.executions.scene import TIMING, search
from tests.ledger.stores import store_in

async def work():
    warehouse = warehouse_at(*sys.argv[3:])
    async with LinktClient(sys.argv[1], SecretStr(sys.argv[2])) as client:
        worker = Worker(client, warehouse, Ledger(store_in(warehouse)), timing=TIMING)
        (outcome,) = await execute_tasks(worker, [search()])
        print(outcome.run.id if outcome.run else outcome.error, flush=True)

asyncio.run(work())
"""


def start_process(scene: Scene) -> subprocess.Popen[str]:
    arguments = [scene.sandbox.url, scene.sandbox.api_key, *place_of(scene.warehouse)]
    return subprocess.Popen(
        [sys.executable, "-c", WORKER_PROCESS, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, POSTGRES_ADDRESS: scene.ledger_address},
    )


@WITH_EACH_LEDGER
def test_processes_that_execute_one_task_at_one_moment_buy_one_run(scene: Scene) -> None:
    scene.sandbox.inject("run_life=1*0")

    processes = [start_process(scene) for _ in range(2)]
    answers = {process.communicate(timeout=50)[0].strip() for process in processes}

    assert answers == set(scene.sandbox.world.runs)
    assert scene.posts() == len(scene.rows()) == 1


@WITH_EACH_LEDGER
def test_the_run_of_a_killed_process_is_taken_over_at_once(scene: Scene) -> None:
    scene.sandbox.inject("run_life=3")
    process = start_process(scene)
    run(until(lambda: scene.warehouse.exists and scene.states() == ["started"], 30))
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    (row,) = scene.rows()
    assert row.lease_until is not None
    assert row.lease_until > datetime.now(UTC) + timedelta(seconds=30)

    (outcome,) = scene.execute(search())

    assert outcome.succeeded
    assert (outcome.run.id if outcome.run else None) == row.run_id
    assert (scene.posts(), scene.sandbox.run_count(), scene.states()) == (1, 1, ["finished"])
