"""Runs that the pipeline did not start or could not land: found in the list of runs, confirmed, landed once."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from linkt_pipeline.api import LinktClient, Page, Run, ServerError, parse_run
from linkt_pipeline.collection.errors import OtherOrganizationError
from linkt_pipeline.collection.land_runs import land_runs
from linkt_pipeline.collection.runs import Collected, collect_runs
from linkt_pipeline.collection.seen_run import SeenRun
from linkt_pipeline.executions.execute import execute_tasks
from linkt_pipeline.executions.start import start_or_adopt
from linkt_pipeline.sandbox import Sandbox, running_sandbox
from linkt_pipeline.sandbox.world.records import RunRecord
from linkt_pipeline.sandbox.world.reference_data import PROFILE_TASK, SAAS, SEARCH_TASK
from tests.engines import WITH_EACH_ENGINE
from tests.executions.scene import SPEED, Scene, run, search, until

HOUR = 3600.0
DAY = 24 * HOUR


def runs_of_the_past(scene: Scene, number: int, *, ago: float = HOUR, apart: float = 1.0) -> list[RunRecord]:
    """Finished runs that name nothing, the first one ``ago`` seconds old."""
    world, now = scene.sandbox.world, time.time()
    records = [world.execute(PROFILE_TASK, SAAS, {}, at=now - ago + place * apart) for place in range(number)]
    world.advance()
    assert all(record.status == "COMPLETED" for record in records)
    return records


def collect(scene: Scene, prepare: Callable[[LinktClient], None] = lambda _: None, **options: Any) -> Collected:
    async def work() -> Collected:
        async with scene.worker() as worker:
            prepare(worker.client)
            return await collect_runs(worker.client, scene.warehouse, **options)

    return run(work())


def landed(scene: Scene) -> set[str]:
    rows = scene.query("select run_id from linkt.runs")
    assert len(rows) == len(set(rows))
    return {run_id for (run_id,) in rows}


def ids(records: list[RunRecord]) -> set[str]:
    return {record.id for record in records}


@WITH_EACH_ENGINE
def test_runs_started_elsewhere_are_landed_with_credits_and_names(scene: Scene) -> None:
    theirs = scene.sandbox.world.execute(SEARCH_TASK, SAAS, {"num_results": 3}, at=time.time() - HOUR)

    collected = collect(scene)

    assert collected.landed == [theirs.id]
    assert landed(scene) == {theirs.id}
    assert dict(scene.query("select action_type, credits from linkt.run_credits")) == theirs.credits
    named = {*theirs.entities_created, *theirs.entities_updated}
    assert {row[0] for row in scene.query("select resource_id from linkt.run_resources")} == named


@WITH_EACH_ENGINE
def test_a_second_look_costs_one_request_and_writes_nothing(scene: Scene) -> None:
    runs_of_the_past(scene, 3)
    collect(scene)
    before = scene.query("select * exclude (payload) from linkt.runs order by run_id")
    scene.sandbox.world.requests.clear()

    again = collect(scene)

    assert again == Collected()
    assert scene.sandbox.world.requests.counts() == {"list_runs": 1}
    assert scene.query("select * exclude (payload) from linkt.runs order by run_id") == before


def test_what_the_pipeline_has_landed_itself_is_not_read_again(scene: Scene) -> None:
    scene.execute(search())
    scene.sandbox.world.requests.clear()

    assert collect(scene).landed == []
    assert scene.sandbox.world.requests.count("get_run") == 0


def test_a_run_that_is_not_over_is_remembered_until_it_is(scene: Scene) -> None:
    scene.sandbox.inject("run_life=1")
    theirs = scene.sandbox.world.execute(PROFILE_TASK, SAAS, {})

    assert collect(scene).unfinished == [theirs.id]
    assert landed(scene) == set()
    run(until(lambda: scene.sandbox.world.runs[theirs.id].terminal))

    assert collect(scene).landed == [theirs.id]
    assert collect(scene) == Collected()


def test_a_run_is_remembered_even_when_it_left_the_window_of_the_list(scene: Scene) -> None:
    """PAUSED for days, while later runs move the cursor on."""
    scene.sandbox.inject("paused_run")
    paused = scene.sandbox.world.execute(PROFILE_TASK, SAAS, {}, at=time.time() - DAY)
    collect(scene)
    runs_of_the_past(scene, 1, ago=60)
    collect(scene)
    scene.sandbox.world.own.runs[paused.id].status = "CANCELED"  # without a new updated_at

    assert collect(scene).landed == [paused.id]


def test_a_stale_status_in_the_list_is_not_believed(scene: Scene) -> None:
    """The list says RUNNING of a run that has ended."""
    (theirs,) = runs_of_the_past(scene, 1, ago=1)
    scene.sandbox.inject("stale_list=60")

    assert collect(scene).landed == [theirs.id]


def test_a_list_that_is_ahead_is_not_believed_either(scene: Scene) -> None:
    scene.sandbox.inject("paused_run")
    theirs = scene.sandbox.world.execute(PROFILE_TASK, SAAS, {})

    def say_completed(client: LinktClient) -> None:
        ask = client.list_runs_page

        async def listing(**filters: Any) -> Page[Run]:
            page = await ask(**filters)
            ahead = [listed.model_copy(update={"raw_status": "COMPLETED"}) for listed in page.items]
            return Page(ahead, page.total, page.page, page.page_size)

        client.list_runs_page = listing  # type: ignore[method-assign]

    assert collect(scene, say_completed).unfinished == [theirs.id]
    assert landed(scene) == set()


@WITH_EACH_ENGINE
def test_a_run_that_changed_after_landing_is_landed_anew(scene: Scene) -> None:
    (theirs,) = runs_of_the_past(scene, 1)
    collect(scene)
    theirs.credits, theirs.updated = {"late_fee": 2.5}, time.time()

    assert collect(scene).landed == [theirs.id]
    assert scene.query("select total_credits from linkt.runs") == [(2.5,)]
    assert scene.query("select action_type, credits from linkt.run_credits") == [("late_fee", 2.5)]


def test_a_remembered_run_that_was_deleted_is_told_once(scene: Scene) -> None:
    runs_of_the_past(scene, 1)
    scene.sandbox.inject("paused_run")
    theirs = scene.sandbox.world.execute(PROFILE_TASK, SAAS, {})
    collect(scene)
    scene.sandbox.world.own.remove("run", theirs.id)

    assert collect(scene).gone == [theirs.id]
    assert collect(scene) == Collected()


@WITH_EACH_ENGINE
def test_our_own_run_is_landed_when_its_worker_is_not_there(scene: Scene) -> None:
    """A worker was killed while waiting: sync brings the data, and the next materialization is handed the outcome."""

    async def start_and_die() -> None:
        async with scene.worker() as worker:
            await start_or_adopt(worker, search())
            worker.ledger.release(worker.owner)

    run(start_and_die())
    run(until(lambda: all(record.terminal for record in scene.sandbox.world.runs.values())))

    assert len(collect(scene).landed) == 1
    assert scene.states() == ["finished"]
    assert scene.execute(search())[0].succeeded
    assert (scene.posts(), scene.states(), len(landed(scene))) == (1, ["finished"], 1)


@pytest.mark.parametrize("state", ["started", "finished"])
def test_a_row_that_holds_what_is_no_run_id_keeps_nothing_else_back(scene: Scene, state: str) -> None:
    """An older version believed any reply."""
    theirs = runs_of_the_past(scene, 2)

    async def work() -> None:
        async with scene.worker() as worker:
            await start_or_adopt(worker, search())

    run(work())
    with scene.warehouse.write() as con:
        con.execute("update linkt.executions set run_id = '../task/x', state = ?, lease_owner = null", [state])

    collected = collect(scene)

    assert collected.failures == []
    assert set(collected.landed) >= ids(theirs)


def test_after_a_cancellation_that_was_collected_the_next_start_is_a_new_run(scene: Scene) -> None:
    scene.sandbox.inject("run_life=3600")
    (outcome,) = scene.execute(search(max_wait="100ms"))
    assert outcome.execution is not None
    cancelled = str(outcome.execution.run_id)
    scene.sandbox.world.cancel(cancelled)

    assert collect(scene).landed == [cancelled]
    assert scene.states() == ["finished"]
    (outcome,) = scene.execute(search())

    assert outcome.succeeded
    assert (scene.posts(), scene.states()) == (2, ["finished", "finished"])


@WITH_EACH_ENGINE
def test_collecting_leaves_the_row_of_a_living_worker_to_it(scene: Scene) -> None:
    async def work() -> None:
        async with scene.worker() as worker, worker.holding_leases():
            started = await start_or_adopt(worker, search())
            await until(lambda: scene.sandbox.world.runs[str(started.run_id)].terminal)
            assert (await collect_runs(worker.client, scene.warehouse)).landed == [started.run_id]
            assert scene.states() == ["started"]

    run(work())


@WITH_EACH_ENGINE
def test_each_execution_of_a_batch_is_closed_once(scene: Scene) -> None:
    """A list that shifts while it is read shows a run twice."""
    scene.edit(
        "insert into linkt.executions "
        "(execution_id, task_key, task_id, attempt, state, run_id, parameters, intended_at) "
        "select id, 'task of ' || id, id, 1, 'started', repeat(id, 24), '{}', now() "
        "from (values ('a'), ('b'), ('c')) as started(id)"
    )
    ended = [
        SeenRun(parse_run(json.dumps({"id": name * 24, "status": "COMPLETED"})), datetime.now(UTC)) for name in "aba"
    ]

    land_runs(scene.warehouse, ended)

    assert {row.execution_id: row.state.value for row in scene.rows()} == {
        "a": "finished",
        "b": "finished",
        "c": "started",
    }
    with scene.ledger.read() as rows:
        assert set(rows.owed()) == {"a", "b"}


# --- long lists


def test_a_long_history_is_landed_whole(scene: Scene) -> None:
    theirs = runs_of_the_past(scene, 230, ago=DAY, apart=30)

    assert set(collect(scene).landed) == ids(theirs) == landed(scene)


def test_runs_that_share_a_second_across_pages_are_all_landed(scene: Scene) -> None:
    before, same = runs_of_the_past(scene, 5, ago=2 * HOUR), runs_of_the_past(scene, 230, ago=HOUR, apart=0)
    after = runs_of_the_past(scene, 5, ago=HOUR / 2)

    collect(scene)

    assert landed(scene) == ids(before + same + after)


def test_runs_that_change_while_they_are_listed_push_none_out(scene: Scene) -> None:
    """A changed run moves to the end of the list; with page numbers, each would pull one run over a page's edge."""
    theirs = runs_of_the_past(scene, 260, ago=DAY, apart=30)
    moved = iter(theirs)

    def keep_changing(client: LinktClient) -> None:
        ask = client.list_runs_page

        async def listing(**filters: Any) -> Page[Run]:
            page = await ask(**filters)
            for _ in range(20):
                if record := next(moved, None):
                    record.updated = time.time()
            return page

        client.list_runs_page = listing  # type: ignore[method-assign]

    collect(scene, keep_changing)

    assert landed(scene) == ids(theirs)


def dying_after(requests: int) -> Callable[[LinktClient], None]:
    """The client's reads of single runs fail after so many."""

    def prepare(client: LinktClient) -> None:
        ask, left = client.get_run, iter(range(requests))

        async def reading(run_id: str, **options: Any) -> Run:
            if next(left, None) is None:
                raise ServerError("down")
            return await ask(run_id, **options)

        client.get_run = reading  # type: ignore[method-assign]

    return prepare


def test_an_interrupted_history_goes_on_where_it_stopped(scene: Scene) -> None:
    theirs = runs_of_the_past(scene, 130, ago=3 * DAY, apart=900)
    with pytest.raises(ServerError):
        collect(scene, dying_after(110))
    assert len(landed(scene)) == 100  # two batches of fifty
    scene.sandbox.world.requests.clear()

    collect(scene)

    assert landed(scene) == ids(theirs)
    assert scene.sandbox.world.requests.count("get_run") == 30


def test_a_backfill_from_a_date_reaches_what_the_cursor_has_passed(scene: Scene) -> None:
    recent = runs_of_the_past(scene, 1)
    collect(scene)
    old = runs_of_the_past(scene, 3, ago=60 * DAY)
    assert collect(scene).landed == []

    collected = collect(scene, since=datetime.now(UTC) - timedelta(days=90))

    assert set(collected.landed) == ids(old)
    assert landed(scene) == ids(recent + old)


def test_a_backfill_that_is_interrupted_is_gone_on_with_by_any_later_sync(scene: Scene) -> None:
    recent = runs_of_the_past(scene, 1)
    collect(scene)
    old = runs_of_the_past(scene, 60, ago=60 * DAY, apart=900)
    with pytest.raises(ServerError):
        collect(scene, dying_after(55), since=datetime.now(UTC) - timedelta(days=90))

    collect(scene)

    assert landed(scene) == ids(recent + old)


def test_a_narrow_backfill_does_not_skip_what_is_still_to_be_listed(scene: Scene) -> None:
    collect(scene)
    runs_of_the_past(scene, 1, ago=2 * DAY)
    collect(scene)
    missed = runs_of_the_past(scene, 2, ago=DAY)

    collect(scene, since=datetime.now(UTC) - timedelta(hours=1))

    assert ids(missed) <= landed(scene)


def test_each_batch_is_told(scene: Scene) -> None:
    runs_of_the_past(scene, 60, ago=DAY)
    lines: list[str] = []

    collect(scene, log=lines.append)

    assert lines
    assert "50 runs landed so far" in lines[0]


def test_runs_without_a_time_of_change_are_landed_too(scene: Scene) -> None:
    """Legacy runs may lack it; then nothing can be said about where the list stands."""
    theirs = runs_of_the_past(scene, 60)

    def timeless(client: LinktClient) -> None:
        ask = client.list_runs_page

        async def listing(**filters: Any) -> Page[Run]:
            page = await ask(**filters)
            items = [listed.model_copy(update={"updated_at": None}) for listed in page.items]
            return Page(items, page.total, page.page, page.page_size)

        client.list_runs_page = listing  # type: ignore[method-assign]

    collect(scene, timeless)

    assert landed(scene) == ids(theirs)


@WITH_EACH_ENGINE
def test_collecting_and_waiting_may_land_one_run_at_once(scene: Scene) -> None:
    scene.sandbox.inject("run_life=0.5")

    async def work() -> None:
        async with scene.worker() as worker:
            executing = asyncio.create_task(execute_tasks(worker, [search()]))
            while not executing.done():
                await collect_runs(worker.client, scene.warehouse)
                await asyncio.sleep(0.05)
            (outcome,) = await executing
            assert outcome.succeeded

    run(work())

    assert len(landed(scene)) == 1
    assert scene.states() == ["finished"]


def in_the_order(key: Callable[[Run], Any]) -> Callable[[LinktClient], None]:
    """An API that orders its list of runs its own way, whatever it is asked for."""

    def prepare(client: LinktClient) -> None:
        ask = client.list_runs_page

        async def listing(page: int = 1, **filters: Any) -> Page[Run]:
            runs: list[Run] = []
            while len(runs) < (answer := await ask(page=len(runs) // 100 + 1, **filters)).total:
                runs += answer.items
            shown = sorted(runs, key=key)[(page - 1) * 100 : page * 100]
            return Page(shown, len(runs), page, 100)

        client.list_runs_page = listing  # type: ignore[method-assign]

    return prepare


ORDERS: dict[str, Callable[[Run], Any]] = {
    "newest change first": lambda listed: -listed.updated_at.timestamp() if listed.updated_at else 0,
    "by creation": lambda listed: (listed.created_at, listed.id),
    "none": lambda listed: listed.id[::-1],
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_list_in_another_order_than_was_asked_for_is_landed_whole(scene: Scene, order: str) -> None:
    theirs = runs_of_the_past(scene, 230, ago=DAY, apart=30)

    collect(scene, in_the_order(ORDERS[order]))

    assert landed(scene) == ids(theirs)
    assert collect(scene, in_the_order(ORDERS[order])) == Collected()


def test_a_list_that_is_in_order_by_chance_leaves_nothing_behind(scene: Scene) -> None:
    """By creation, and the hundredth run changed last: the first page looks right, and the next would start there."""
    theirs = runs_of_the_past(scene, 150, ago=DAY, apart=30)
    theirs[99].updated = time.time() - HOUR

    collect(scene, in_the_order(ORDERS["by creation"]))

    assert landed(scene) == ids(theirs)


def test_a_list_out_of_order_moves_the_cursor_at_its_end_alone(scene: Scene) -> None:
    theirs = runs_of_the_past(scene, 150, ago=DAY, apart=30)
    backwards = in_the_order(ORDERS["newest change first"])

    def dying_backwards(client: LinktClient) -> None:
        backwards(client)
        dying_after(110)(client)

    with pytest.raises(ServerError):
        collect(scene, dying_backwards)
    assert len(landed(scene)) == 100

    collect(scene, backwards)

    assert landed(scene) == ids(theirs)


# --- the key of another organization


@contextmanager
def another_organization() -> Iterator[Sandbox]:
    with running_sandbox(speed=SPEED, seed=99) as sandbox:
        yield sandbox


def collect_from(scene: Scene, sandbox: Sandbox) -> Collected:
    async def work() -> Collected:
        async with scene.worker(url=sandbox.url, api_key=sandbox.api_key) as worker:
            return await collect_runs(worker.client, scene.warehouse)

    return run(work())


def test_a_key_of_another_organization_forgets_no_run_and_lands_none_of_its_own(scene: Scene) -> None:
    runs_of_the_past(scene, 2)
    scene.sandbox.inject("paused_run")
    paused = scene.sandbox.world.execute(PROFILE_TASK, SAAS, {})
    collect(scene)
    before = scene.query("select name, value from linkt.sync_state"), landed(scene)

    with another_organization() as elsewhere:
        elsewhere.world.execute(PROFILE_TASK, SAAS, {}, at=time.time() - HOUR)
        with pytest.raises(OtherOrganizationError, match="LINKT_API_KEY seems to belong to another organization"):
            collect_from(scene, elsewhere)

    assert (scene.query("select name, value from linkt.sync_state"), landed(scene)) == before
    scene.sandbox.world.own.runs[paused.id].status = "CANCELED"
    assert collect(scene).landed == [paused.id]


@pytest.mark.parametrize("remembered", [True, False])
def test_a_single_known_run_tells_the_organizations_apart(scene: Scene, remembered: bool) -> None:
    if remembered:
        scene.sandbox.inject("paused_run")
    known = scene.sandbox.world.execute(PROFILE_TASK, SAAS, {}, at=time.time() - HOUR)
    collect(scene)

    with another_organization() as elsewhere:
        elsewhere.world.execute(PROFILE_TASK, SAAS, {}, at=time.time() - HOUR / 2)
        with pytest.raises(OtherOrganizationError, match=known.id):
            collect_from(scene, elsewhere)


def test_many_runs_deleted_in_linkt_are_forgotten_and_the_key_is_still_right(scene: Scene) -> None:
    runs_of_the_past(scene, 1)
    scene.sandbox.inject("paused_run*0")
    deleted = [scene.sandbox.world.execute(PROFILE_TASK, SAAS, {}).id for _ in range(7)]
    assert sorted(collect(scene).unfinished) == sorted(deleted)
    for run_id in deleted:
        del scene.sandbox.world.own.runs[run_id]

    assert sorted(collect(scene).gone) == sorted(deleted)
    assert not collect(scene).gone


# --- what must not stand in the way of the rest


@pytest.mark.parametrize("fault", ["http_500@get_run:{}*0", "malformed_body=missing_id@get_run:{}*0"])
def test_a_run_that_can_not_be_read_keeps_no_other_from_being_landed(scene: Scene, fault: str) -> None:
    records = runs_of_the_past(scene, 5)
    scene.sandbox.inject(fault.format(records[1].id))

    async def work() -> Collected:
        async with scene.worker(retry_for=timedelta(milliseconds=50)) as worker:
            return await collect_runs(worker.client, scene.warehouse)

    first, second = run(work()), run(work())

    assert landed(scene) == ids(records) - {records[1].id}
    assert first.unfinished == second.unfinished == [records[1].id]
    assert len(first.failures) == len(second.failures) == 1
    scene.sandbox.world.faults.clear()
    run(work())
    assert landed(scene) == ids(records)


def test_an_api_that_fails_every_read_is_an_outage(scene: Scene) -> None:
    runs_of_the_past(scene, 5)
    scene.sandbox.inject("http_500@get_run*0")

    async def work() -> None:
        async with scene.worker(retry_for=timedelta(milliseconds=50)) as worker:
            await collect_runs(worker.client, scene.warehouse)

    with pytest.raises(ServerError):
        run(work())


def test_a_change_in_the_future_hides_nothing_that_comes_before_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_an_odd_date(client: LinktClient) -> None:
        ask = client.list_runs_page

        async def odd(**filters: Any) -> Page[Run]:
            answer = await ask(**filters)
            future = datetime.now(UTC) + timedelta(days=365)
            return replace(answer, items=[run.model_copy(update={"updated_at": future}) for run in answer.items])

        monkeypatch.setattr(client, "list_runs_page", odd)

    runs_of_the_past(scene, 1)
    assert collect(scene, with_an_odd_date).landed

    (later,) = runs_of_the_past(scene, 1, ago=60)

    assert later.id in collect(scene).landed
