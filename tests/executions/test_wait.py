"""Waiting: for hours, cheaply, and through everything that is not the end of the run."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkt_pipeline.api import AuthenticationError, InvalidIdError, RunStatus
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.errors import RunGoneError, StartNotFoundError, StillRunningError
from linkt_pipeline.executions.events import RunProgress
from linkt_pipeline.executions.execute import Outcome, execute_tasks
from linkt_pipeline.executions.polling import PollSchedule
from linkt_pipeline.executions.start import start_or_adopt
from linkt_pipeline.executions.wait import Waited, wait_for_run
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.values import Execution, ExecutionState, LeaseLostError
from linkt_pipeline.sandbox.world.reference_data import SEARCH_TASK, SHEET_SIGNALS_TASK
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.api.raw_server import Request
from tests.engines import OF_A_FILE, WITH_EACH_ENGINE

from .front import Forward, Rule, changed, in_front, is_start
from .scene import Scene, run, search, until

LONG_RUN = timedelta(minutes=163)  # the longest search on record


def wait(scene: Scene, *faults: str, during: Callable[[Worker], None] = lambda _: None, **changes: object) -> Waited:
    """Start a run, let things go wrong, and wait for it."""

    async def work() -> Waited:
        async with scene.worker() as worker, worker.holding_leases():
            task = search(**changes)
            started = await start_or_adopt(worker, task)
            for fault in faults:
                scene.sandbox.inject(fault)
            during(worker)
            return await wait_for_run(worker, task, started)

    return run(work())


def looks(scene: Scene) -> int:
    return scene.sandbox.world.requests.count("get_run")


# --- the price of waiting


def test_the_longest_run_on_record_costs_under_200_requests() -> None:
    schedule = PollSchedule(timedelta(seconds=10))

    polls = schedule.requests_for(LONG_RUN)
    queue = LONG_RUN / schedule.queue_interval + 2

    assert polls + queue < 200
    assert polls * 6 < LONG_RUN / schedule.base  # a fixed interval costs six times as much and more


def test_a_short_run_is_noticed_soon() -> None:
    schedule = PollSchedule(timedelta(seconds=10))

    assert schedule.interval(timedelta(0)) == timedelta(seconds=10)
    assert schedule.interval(timedelta(minutes=3)) == timedelta(seconds=10)
    assert schedule.interval(timedelta(minutes=20)) == timedelta(minutes=1)


@given(
    base=st.floats(0.01, 600).map(lambda seconds: timedelta(seconds=seconds)),
    ages=st.lists(st.floats(0, 86_400).map(lambda seconds: timedelta(seconds=seconds)), min_size=2, max_size=2),
)
def test_the_interval_grows_with_age_between_its_bounds(base: timedelta, ages: list[timedelta]) -> None:
    schedule = PollSchedule(base)
    younger, older = (schedule.interval(age) for age in sorted(ages))

    assert base <= younger <= older <= max(base, timedelta(minutes=2))
    assert younger * 0.89 <= schedule.jittered(min(ages)) <= younger * 1.11


def test_the_requests_of_a_real_wait_follow_the_schedule(scene: Scene) -> None:
    scene.sandbox.inject("run_life=2")

    wait(scene, poll_interval="50ms")

    counts = scene.sandbox.world.requests.counts()
    assert 10 <= counts["get_run"] <= PollSchedule(timedelta(milliseconds=50)).requests_for(timedelta(seconds=2)) * 1.2
    assert counts["run_queue"] <= 3


# --- what does not end a wait


@pytest.mark.parametrize(
    "fault",
    [
        "http_429=0.1@get_run*2",
        "http_429=none@get_run*1",
        "http_500@get_run*4",
        "http_502@get_run*4",
        "http_503=0.1@get_run*3",
        "http_504@get_run*4",
        "http_400@get_run*2",
        "http_409@get_run*2",
        "reset@get_run*4",
        "hang=0.7@get_run*2",
        "cut_body@get_run*4",
        "malformed_body=html@get_run*3",
        "malformed_body=empty@get_run*3",
        "malformed_body=list@get_run*3",
        "malformed_body=truncated@get_run*3",
        "malformed_body=missing_id@get_run*3",
        "missing@get_run*2",
        "http_500@run_queue*0",
        "malformed_body=html@run_queue*0",
    ],
)
def test_a_wait_outlives(scene: Scene, fault: str) -> None:
    waited = wait(scene, fault)

    assert waited.run.status is RunStatus.COMPLETED
    assert scene.posts() == 1
    assert scene.sandbox.world.faults.all()[-1].fired > 0


def test_a_wait_outlives_a_server_that_is_gone_for_a_while(scene: Scene) -> None:
    """Connection refused: the address leads to a closed port, then to the sandbox again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}"

    def cut_off(worker: Worker) -> None:
        transport = worker.client._transport
        address, transport._base_url = transport._base_url, nowhere
        asyncio.get_running_loop().call_later(0.4, setattr, transport, "_base_url", address)

    waited = wait(scene, during=cut_off)

    assert waited.run.status is RunStatus.COMPLETED
    assert scene.texts.count("can't see run") == 1  # said once, not at every look


def test_an_outage_is_told_again_after_the_run_was_seen(scene: Scene) -> None:
    scene.sandbox.inject("run_life=4")

    wait(scene, "http_500@get_run*2", "http_502@get_run*2+2")

    assert scene.texts.count("can't see run") == 2


@OF_A_FILE
def test_a_busy_warehouse_does_not_end_a_wait(scene: Scene) -> None:
    """What is written while waiting is for show; only landing needs the file."""

    def lock_out(worker: Worker) -> None:
        def busy(*args: object, **kwargs: object) -> None:
            raise LinktPipelineError("held by a BI tool")

        worker.ledger.note = busy  # type: ignore[method-assign]
        worker.warehouse = FileWarehouse(scene.warehouse.path.with_name("a-folder"))
        worker.warehouse.path.mkdir()

    waited = wait(scene, during=lock_out)

    assert waited.run.status is RunStatus.COMPLETED
    assert "could not be written down: held by a BI tool" in scene.texts


@WITH_EACH_ENGINE
def test_a_wait_ends_when_another_process_has_taken_over(scene: Scene) -> None:
    def take_over(worker: Worker) -> None:
        def lost(*args: object, **kwargs: object) -> None:
            raise LeaseLostError("taken over")

        worker.ledger.note = lost  # type: ignore[method-assign]

    with pytest.raises(LeaseLostError):
        wait(scene, during=take_over)


# --- what is shown meanwhile


def progress(scene: Scene) -> list[RunProgress]:
    return [event for event in scene.events if isinstance(event, RunProgress)]


@pytest.mark.parametrize(("fault", "status"), [("paused_run=2", "PAUSED"), ("unknown_status=ARCHIVING", "ARCHIVING")])
def test_a_status_that_is_not_the_end_is_shown_and_waited_through(scene: Scene, fault: str, status: str) -> None:
    scene.sandbox.inject(fault)
    scene.sandbox.inject("run_life=3")

    waited = wait(scene)

    assert waited.run.status is RunStatus.COMPLETED
    assert status in [event.status for event in progress(scene)]


def test_the_ledger_shows_the_status_last_seen(scene: Scene) -> None:
    scene.sandbox.inject("paused_run")

    with pytest.raises(StillRunningError):
        wait(scene, max_wait="600ms")

    assert scene.rows()[0].run_status == "PAUSED"


def test_the_queue_is_shown_and_kept(scene: Scene) -> None:
    scene.sandbox.inject("run_life=0.8")

    waited = wait(scene, poll_interval="20ms")

    assert sum(waited.queue.values()) > 0
    assert any("completed" in event.text for event in progress(scene))
    kept = dict(scene.query("select state, entities from linkt.run_queue_counts"))
    assert kept == waited.queue


def test_the_same_picture_is_not_shown_twice(scene: Scene) -> None:
    scene.sandbox.inject("run_life=0.8")

    wait(scene, poll_interval="20ms")

    shown = [(event.status, tuple(event.queue.items())) for event in progress(scene)]
    assert len(shown) == len(set(shown))
    assert looks(scene) > len(shown)


# --- the ends


@pytest.mark.parametrize(
    ("fault", "status"),
    [("canceled_run", "CANCELED"), ("failed_run", "FAILED"), ("crashed_run", "CRASHED"), ("empty_run", "COMPLETED")],
)
def test_every_terminal_status_ends_the_wait(scene: Scene, fault: str, status: str) -> None:
    scene.sandbox.inject(fault)

    assert wait(scene).run.status == status


@WITH_EACH_ENGINE
def test_max_wait_leaves_the_run_to_be_adopted(scene: Scene) -> None:
    scene.sandbox.inject("run_life=2")
    (outcome,) = scene.execute(search(max_wait="300ms"))

    assert isinstance(outcome.error, StillRunningError)
    assert "It was not cancelled; materialize again" in str(outcome.error)
    assert outcome.execution is not None
    assert f"linkt-pipeline cancel {outcome.execution.run_id}" in str(outcome.error)
    assert scene.states() == ["started"]

    (later,) = scene.execute(search())

    assert later.succeeded
    assert (scene.posts(), scene.states()) == (1, ["finished"])
    assert scene.sandbox.world.requests.count("cancel_run") == 0


def test_a_run_cancelled_elsewhere_is_recognised_and_landed(scene: Scene) -> None:
    scene.sandbox.inject("canceled_run")

    (outcome,) = scene.execute(search(retry={"max_attempts": 3, "on": ["other"], "backoff": "10ms"}))

    assert "cancelled in Linkt" in str(outcome.error)
    assert scene.posts() == 1  # a cancelled run is not started again
    assert scene.query("select status, error_kind from linkt.runs") == [("CANCELED", None)]
    assert scene.rows()[0].error_kind is None


def delete_runs(scene: Scene) -> None:
    for run_id in list(scene.sandbox.world.runs):
        scene.sandbox.world.own.remove("run", run_id)


@WITH_EACH_ENGINE
def test_a_run_that_is_gone_for_good_closes_its_row(scene: Scene) -> None:
    with pytest.raises(RunGoneError, match=r"no longer exists.*materialize again"):
        wait(scene, "missing@get_run*0", during=lambda _: delete_runs(scene))
    assert scene.states() == ["lost"]
    assert scene.sandbox.world.requests.count("list_runs") >= 2

    scene.sandbox.world.faults.clear()
    (outcome,) = scene.execute(search())

    assert outcome.succeeded
    assert scene.posts() == 2


def test_a_run_that_a_lagging_replica_does_not_know_yet_is_waited_for(scene: Scene) -> None:
    waited = wait(scene, "missing@get_run*3")

    assert waited.run.status is RunStatus.COMPLETED


# --- 404 to the single read, while the list knows better


@pytest.mark.parametrize("seen_before", [True, False])
def test_a_run_that_the_list_shows_is_waited_for(scene: Scene, seen_before: bool) -> None:
    scene.sandbox.inject("run_life=3")
    scene.sandbox.inject("missing@get_run*25" + "+2" * seen_before)
    scene.sandbox.inject("lagging_list=0.2")

    (outcome,) = scene.execute(search())

    assert outcome.succeeded
    assert "answers 404, but Linkt's list shows" in scene.texts
    assert (scene.posts(), scene.states()) == (1, ["finished"])


def execute_behind(scene: Scene, rule: Rule, **changes: Any) -> Outcome:
    async def work() -> Outcome:
        async with in_front(scene, rule) as server, scene.worker(url=server.url) as worker:
            (outcome,) = await execute_tasks(worker, [search(**changes)])
            return outcome

    return run(work())


def naming(rename: Callable[[str], str], *, reads_any_case: bool = False) -> Rule:
    """The reply to a start calls its run differently than all other endpoints do."""

    async def rule(request: Request, forward: Forward) -> bytes:
        if is_start(request):
            return changed(await forward(), lambda body: body.update(run_id=rename(body["run_id"])))
        return await forward(request.target.lower() if reads_any_case else None)

    return rule


@pytest.mark.parametrize(
    "rule",
    [naming(str.upper), naming(str.upper, reads_any_case=True), naming(lambda _: "f" * 24), naming(lambda _: "flow-1")],
    ids=["upper case", "upper case, read as any", "another id", "an id of another scheme"],
)
def test_the_ledger_takes_the_id_by_which_linkt_shows_the_run(scene: Scene, rule: Rule) -> None:
    outcome = execute_behind(scene, rule)

    assert outcome.succeeded, outcome.error
    (run_id,) = scene.sandbox.world.runs
    assert [row.run_id for row in scene.rows()] == [run_id]
    assert scene.query("select run_id from linkt.runs") == [(run_id,)]


def naming_a_run_of_another_task(*, works: bool) -> Rule:
    """A cache that mixes replies up: the start gets the reply to that of another task."""

    async def rule(request: Request, forward: Forward) -> bytes:
        if is_start(request):
            if works:
                await forward()
            return await forward(f"/v1/task/{SHEET_SIGNALS_TASK}/execute")
        return await forward()

    return rule


def test_a_reply_that_names_a_run_of_another_task_is_an_unclear_one(scene: Scene) -> None:
    outcome = execute_behind(scene, naming_a_run_of_another_task(works=True))

    assert outcome.succeeded, outcome.error
    (own,) = [run.id for run in scene.sandbox.world.runs.values() if run.task_id == SEARCH_TASK]
    assert [row.run_id for row in scene.rows()] == [own]
    assert scene.query("select run_id from linkt.runs") == [(own,)]


def test_a_run_of_another_task_is_not_kept_where_the_own_one_is_not_listed(scene: Scene) -> None:
    outcome = execute_behind(scene, naming_a_run_of_another_task(works=False))

    assert isinstance(outcome.error, StartNotFoundError), outcome.error
    assert [(row.state, row.run_id, row.start_confirmed) for row in scene.rows()] == [("unknown", None, True)]


def test_a_run_that_was_seen_and_deleted_is_not_replaced_by_one_that_looks_like_it(scene: Scene) -> None:
    task = search()
    scene.sandbox.inject("run_life=3*0")

    async def rule(request: Request, forward: Forward) -> bytes:
        reply = await forward()
        if request.path.startswith("/v1/run/") and not looked:
            looked.append(request.path)
            delete_runs(scene)
            scene.sandbox.world.execute(task.task_id, task.icp_id, dict(task.parameters))
        return reply

    looked: list[str] = []
    outcome = execute_behind(scene, rule)

    assert isinstance(outcome.error, RunGoneError)
    assert scene.states() == ["lost"]


def test_a_list_that_can_not_be_read_closes_nothing(scene: Scene) -> None:
    scene.sandbox.inject("missing@get_run*0")
    scene.sandbox.inject("http_403@list_runs*0")

    (outcome,) = scene.execute(search(max_wait="1500ms"))

    assert isinstance(outcome.error, StillRunningError)
    assert scene.states() == ["started"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_revoked_meanwhile_ends_the_wait_and_not_the_run(scene: Scene, status: int) -> None:
    scene.sandbox.inject(f"http_{status}@get_run*0+2")
    scene.sandbox.inject("run_life=1")

    (outcome,) = scene.execute(search())

    assert str(status) in str(outcome.error)
    assert scene.states() == ["started"]
    scene.sandbox.world.faults.clear()
    (later,) = scene.execute(search())
    assert later.succeeded
    assert scene.posts() == 1


def test_a_wrong_key_is_an_authentication_error(scene: Scene) -> None:
    with pytest.raises(AuthenticationError):
        wait(scene, "http_401@get_run*0")


def test_a_run_id_that_can_not_be_asked_for_is_said_at_once(scene: Scene) -> None:
    async def work() -> None:
        async with scene.worker() as worker:
            started = await start_or_adopt(worker, search())
            await wait_for_run(worker, search(), replace(started, run_id="../../etc"))

    with pytest.raises(InvalidIdError, match=r"\.\./\.\./etc"):
        run(work())


# --- many in one process


def test_one_failure_does_not_end_the_wait_for_the_others(scene: Scene) -> None:
    scene.sandbox.inject("failed_run=timeout")
    tasks = [search(key=key, parameters={"num_results": n}) for n, key in enumerate(["a", "b", "c"], start=1)]

    outcomes = scene.execute(*tasks)

    assert [outcome.task.key for outcome in outcomes] == ["a", "b", "c"]
    assert sorted(outcome.succeeded for outcome in outcomes) == [False, True, True]
    assert scene.states() == ["finished"] * 3


def test_a_bug_in_one_wait_shows_after_the_others_have_ended(scene: Scene) -> None:
    scene.sandbox.inject("run_life=0.6*2")

    async def work() -> None:
        async with scene.worker() as worker:
            report = worker.report

            def trip(event: object) -> None:
                if isinstance(event, RunProgress) and event.task_key == "a":
                    raise ZeroDivisionError
                report(event)  # type: ignore[arg-type]

            worker.report = trip
            await execute_tasks(worker, [search(key="a"), search(key="b", parameters={"num_results": 1})])

    with pytest.raises(ZeroDivisionError):
        run(work())
    states = {row.task_key: row.state for row in scene.rows()}
    assert states == {"a": ExecutionState.STARTED, "b": ExecutionState.FINISHED}
    (again,) = scene.execute(search(key="b", parameters={"num_results": 1}))
    assert again.succeeded
    assert scene.posts() == 2  # nobody was told of its end, so that run is not used up


@WITH_EACH_ENGINE
def test_leases_are_renewed_while_waiting(scene: Scene) -> None:
    scene.sandbox.inject("run_life=2.5")
    lease = timedelta(seconds=1.5)
    until_when: list[datetime] = []

    async def work() -> Execution:
        async with scene.worker(lease=lease) as worker, worker.holding_leases():
            started = await start_or_adopt(worker, search())
            waiting = asyncio.create_task(wait_for_run(worker, search(), started))

            def renewed() -> bool:
                lease_until = scene.rows()[0].lease_until
                until_when.append(lease_until or datetime.now(UTC))
                return until_when[-1] > (started.lease_until or datetime.now(UTC))

            await until(renewed)
            await waiting
            return started

    started = run(work())

    assert started.lease_until is not None
    assert until_when[-1] > started.lease_until
