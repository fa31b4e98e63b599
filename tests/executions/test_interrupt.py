"""When the waiting process is told to stop: cancel what a person wants gone, leave the rest to be adopted."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest

from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.execute import execute_tasks
from linkt_pipeline.executions.interrupt import settle_interrupted, wants_cancel
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.tasks import OnTerminate
from tests.engines import WITH_EACH_LEDGER

from .scene import Scene, run, search, until

PATIENCE = timedelta(seconds=3)


@pytest.mark.parametrize(
    ("on_terminate", "by_person", "cancels"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("cancel", True, True),
        ("cancel", False, True),
        ("leave", True, False),
        ("leave", False, False),
    ],
)
def test_who_decides(on_terminate: str, by_person: bool, cancels: bool) -> None:
    assert wants_cancel(search(on_terminate=OnTerminate(on_terminate)), by_person=by_person) is cancels


def interrupt(
    scene: Scene,
    *,
    by_person: bool,
    at: Any = None,
    faults: Collection[str] = (),
    patience: timedelta = PATIENCE,
    prepare: Any = lambda worker: None,
    **changes: Any,
) -> Collection[str]:
    """Execute a long run, interrupt it, and settle as the Dagster layer does: in a new event loop, by a new client."""
    scene.sandbox.inject("run_life=30*0")
    task = search(**changes)
    workers: list[Worker] = []

    async def work() -> None:
        async with scene.worker() as worker:
            workers.append(worker)
            executing = asyncio.create_task(execute_tasks(worker, [task]))
            await until(at or (lambda: scene.states() == ["started"]))
            executing.cancel()
            await asyncio.wait([executing])
            assert executing.cancelled()

    async def settle() -> Collection[str]:
        for fault in faults:
            scene.sandbox.inject(fault)
        prepare(workers[0])
        async with scene.worker() as fresh:
            return await settle_interrupted(workers[0], fresh.client, [task], by_person=by_person, patience=patience)

    run(work())
    return run(settle())


def statuses(scene: Scene) -> list[str]:
    return [record.status for record in scene.sandbox.world.runs.values()]


@WITH_EACH_LEDGER
def test_a_persons_terminate_cancels_the_run_and_lands_it(scene: Scene) -> None:
    cancelled = interrupt(scene, by_person=True)

    assert list(cancelled) == list(scene.sandbox.world.runs)
    assert statuses(scene) == ["CANCELED"]
    assert scene.states() == ["finished"]
    assert scene.query("select status from linkt.runs") == [("CANCELED",)]
    assert "is cancelled in Linkt" in scene.texts


def test_whoever_cancelled_a_run_gets_a_new_one_next_time(scene: Scene) -> None:
    """Its outcome is known to the person who wanted it; adopting it would only tell them again, as a failure."""
    interrupt(scene, by_person=True)
    scene.sandbox.world.faults.clear()

    (outcome,) = scene.execute(search())

    assert outcome.succeeded
    assert statuses(scene) == ["CANCELED", "COMPLETED"]


@WITH_EACH_LEDGER
def test_a_machines_terminate_leaves_the_run_to_be_adopted_at_once(scene: Scene) -> None:
    cancelled = interrupt(scene, by_person=False)

    assert list(cancelled) == []
    (row,) = scene.rows()
    assert (row.state, row.lease_owner) == ("started", None)
    assert scene.sandbox.world.requests.count("cancel_run") == 0
    next(iter(scene.sandbox.world.own.runs.values())).status = "COMPLETED"
    (outcome,) = scene.execute(search())
    assert outcome.succeeded
    assert scene.posts() == 1


@pytest.mark.parametrize(("on_terminate", "by_person"), [("leave", True), ("cancel", False)])
def test_the_task_may_decide_otherwise(scene: Scene, on_terminate: str, by_person: bool) -> None:
    cancelled = interrupt(scene, by_person=by_person, on_terminate=on_terminate)

    assert bool(cancelled) is (on_terminate == "cancel")
    assert scene.states() == (["finished"] if cancelled else ["started"])


def test_a_cancel_that_fails_is_told_and_not_raised(scene: Scene) -> None:
    cancelled = interrupt(scene, by_person=True, faults=["http_500@cancel_run*0"])

    assert list(cancelled) == []
    assert "could not be cancelled and may go on" in scene.texts
    assert scene.states() == ["started"]
    assert scene.rows()[0].lease_owner is None


def test_an_api_that_does_not_answer_is_given_up_in_time(scene: Scene) -> None:
    cancelled = interrupt(scene, by_person=True, faults=["hang=10@cancel_run*0"], patience=timedelta(milliseconds=300))

    assert list(cancelled) == []
    assert "not everything could be settled: out of time" in scene.texts
    assert scene.rows()[0].lease_owner is None


def test_a_cancelled_run_that_can_not_be_landed_is_landed_next_time(scene: Scene) -> None:
    cancelled = interrupt(scene, by_person=True, faults=["http_500@get_run*0"], patience=timedelta(seconds=1))
    assert len(cancelled) == 1
    assert scene.states() == ["started"]

    scene.sandbox.world.faults.clear()
    (outcome,) = scene.execute(search())

    assert "cancelled in Linkt" in str(outcome.error)
    assert (scene.posts(), scene.states()) == (1, ["finished"])


def test_a_warehouse_that_is_held_does_not_hide_the_interrupt(scene: Scene) -> None:
    def hold(worker: Worker) -> None:
        def held(*args: Any, **kwargs: Any) -> None:
            raise LinktPipelineError("held by a BI tool")

        worker.ledger.release = held  # type: ignore[method-assign]

    cancelled = interrupt(scene, by_person=True, prepare=hold)

    assert len(cancelled) == 1
    assert "leases could not be given up" in scene.texts


@pytest.mark.parametrize("by_person", [True, False])
def test_an_interrupt_between_the_request_and_its_reply(scene: Scene, by_person: bool) -> None:
    """The run exists, and nobody has its id yet."""
    scene.sandbox.inject("late_reply=0.4")

    cancelled = interrupt(scene, by_person=by_person, at=lambda: scene.sandbox.run_count() == 1)

    (run_id,) = scene.sandbox.world.runs
    if by_person:
        assert list(cancelled) == [run_id]
        assert (statuses(scene), scene.states()) == (["CANCELED"], ["finished"])
        return
    assert scene.states() == ["intended"]
    next(iter(scene.sandbox.world.own.runs.values())).status = "COMPLETED"
    (outcome,) = scene.execute(search())
    assert outcome.succeeded
    assert scene.sandbox.run_count() == 1


def test_an_interrupt_before_a_run_exists_leaves_nothing_to_cancel(scene: Scene) -> None:
    pause = scene.sandbox.inject("http_429=10@execute")

    cancelled = interrupt(scene, by_person=True, at=lambda: pause.fired == 1)

    assert list(cancelled) == []
    assert "nothing to cancel" in scene.texts
    assert scene.states() == ["unknown"]
    scene.sandbox.inject("empty_run")
    scene.sandbox.world.faults.all()[1].times = 0  # run_life
    assert scene.execute(search())[0].succeeded
    assert scene.sandbox.run_count() == 1


@WITH_EACH_LEDGER
def test_what_had_ended_before_the_interrupt_is_not_bought_again(scene: Scene) -> None:
    """Two tasks in one process: one is done and landed, the other one is interrupted."""
    scene.sandbox.inject("run_life=0.1")
    scene.sandbox.inject("run_life=30*0+1")
    tasks = [search(key="a"), search(key="b", parameters={"num_results": 1})]
    workers: list[Worker] = []

    async def work() -> None:
        async with scene.worker() as worker:
            workers.append(worker)
            executing = asyncio.create_task(execute_tasks(worker, tasks))
            await until(lambda: sorted(scene.states()) == ["finished", "started"])
            executing.cancel()
            await asyncio.wait([executing])

    async def settle() -> None:
        async with scene.worker() as fresh:
            await settle_interrupted(workers[0], fresh.client, tasks, by_person=False, patience=PATIENCE)

    run(work())
    run(settle())
    for record in scene.sandbox.world.own.runs.values():
        record.status = "COMPLETED"
    outcomes = scene.execute(*tasks)

    assert all(outcome.succeeded for outcome in outcomes)
    assert (scene.posts(), scene.states()) == (2, ["finished", "finished"])
