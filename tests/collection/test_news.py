"""Whether Linkt has anything to land: what a look asks and answers, and that it writes down only what goes on."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from linkt_pipeline.api import LinktApiError, LinktClient, Page, Run, ServerError
from linkt_pipeline.collection.cursor import Cursor
from linkt_pipeline.collection.errors import OtherOrganizationError
from linkt_pipeline.collection.news import look_for_news
from linkt_pipeline.executions.start import start_or_adopt
from linkt_pipeline.sandbox.world.reference_data import PROFILE_TASK, SAAS
from tests.api.raw_server import client_for, serving
from tests.collection.test_rejected_runs import UNUSABLE, Linkt, body_of
from tests.collection.test_rejected_runs import collect as collect_from
from tests.collection.test_runs import DAY, HOUR, collect, runs_of_the_past
from tests.engines import WITH_EACH_ENGINE, last_write
from tests.executions.scene import Scene, run, search


def look(scene: Scene, prepare: Callable[[LinktClient], None] = lambda _: None, **options: Any) -> str | None:
    async def work() -> str | None:
        async with scene.worker(**options) as worker:
            prepare(worker.client)
            return await look_for_news(worker.client, scene.warehouse)

    return run(work())


def remembered(scene: Scene) -> tuple[str, ...]:
    with scene.warehouse.read() as con:
        return Cursor.read(con).unfinished


@pytest.fixture
def quiet(scene: Scene) -> Scene:
    """Three runs of the past are landed, and nobody has started another."""
    runs_of_the_past(scene, 3)
    collect(scene)
    scene.sandbox.world.requests.clear()
    return scene


def start_elsewhere(scene: Scene, **options: Any) -> str:
    return scene.sandbox.world.execute(PROFILE_TASK, SAAS, {}, **options).id


@WITH_EACH_ENGINE
def test_where_nothing_has_changed_it_takes_one_request_and_no_write(quiet: Scene) -> None:
    before = last_write(quiet.warehouse)

    assert look(quiet) is None
    assert look(quiet) is None

    assert quiet.sandbox.world.requests.counts() == {"list_runs": 2}
    assert last_write(quiet.warehouse) == before


def test_an_account_without_a_run_is_quiet_too(scene: Scene) -> None:
    assert look(scene) is None


def test_a_run_that_has_ended_is_news_until_it_is_landed(quiet: Scene) -> None:
    (theirs,) = runs_of_the_past(quiet, 1, ago=60)

    assert f"run {theirs.id} has ended (COMPLETED)" in str(look(quiet))
    assert f"run {theirs.id} has ended (COMPLETED)" in str(look(quiet))
    collect(quiet)
    assert look(quiet) is None


def test_a_run_that_changed_after_it_was_landed_is_news(quiet: Scene) -> None:
    (theirs,) = runs_of_the_past(quiet, 1, ago=60)
    collect(quiet)
    theirs.credits, theirs.updated = {"late_fee": 2.5}, time.time()

    assert theirs.id in str(look(quiet))


@WITH_EACH_ENGINE
def test_a_run_that_goes_on_is_remembered_and_no_news_until_it_ends(quiet: Scene) -> None:
    quiet.sandbox.inject("paused_run")
    theirs = start_elsewhere(quiet)

    assert look(quiet) is None
    assert remembered(quiet) == (theirs,)
    before = last_write(quiet.warehouse)
    quiet.sandbox.world.requests.clear()
    assert look(quiet) is None
    assert quiet.sandbox.world.requests.counts() == {"list_runs": 1, "get_run": 1}
    assert last_write(quiet.warehouse) == before

    quiet.sandbox.world.own.runs[theirs].status = "CANCELED"  # without a new updated_at, so no list shows it
    assert f"run {theirs} has ended (CANCELED)" in str(look(quiet))
    assert collect(quiet).landed == [theirs]


def test_what_a_look_remembers_outlives_the_window_of_the_list(scene: Scene) -> None:
    scene.sandbox.inject("paused_run")
    theirs = start_elsewhere(scene, at=time.time() - DAY)
    assert look(scene) is None
    runs_of_the_past(scene, 1, ago=60)
    collect(scene)
    scene.sandbox.world.own.runs[theirs].status = "CANCELED"

    assert theirs in str(look(scene))


def test_a_list_that_is_behind_hides_no_end(quiet: Scene) -> None:
    (theirs,) = runs_of_the_past(quiet, 1, ago=1)
    quiet.sandbox.inject("stale_list=60")

    assert theirs.id in str(look(quiet))


def test_a_list_that_is_ahead_is_no_news(quiet: Scene) -> None:
    quiet.sandbox.inject("paused_run")
    theirs = start_elsewhere(quiet)

    def say_completed(client: LinktClient) -> None:
        ask = client.list_runs_page

        async def listing(**filters: Any) -> Page[Run]:
            page = await ask(**filters)
            ahead = [listed.model_copy(update={"raw_status": "COMPLETED"}) for listed in page.items]
            return Page(ahead, page.total, page.page, page.page_size)

        client.list_runs_page = listing  # type: ignore[method-assign]

    assert look(quiet, say_completed) is None
    assert remembered(quiet) == (theirs,)


@pytest.mark.parametrize("trouble", ["drifting_total", "endless_page@list_runs"])
def test_a_list_that_is_not_whole_is_not_nothing(quiet: Scene, trouble: str) -> None:
    runs_of_the_past(quiet, 150, ago=HOUR / 2, apart=0.01)
    collect(quiet)
    assert look(quiet) is None
    quiet.sandbox.inject(trouble)

    assert "ends early" in str(look(quiet))


def test_a_total_that_counts_its_own_page_hides_nothing(quiet: Scene) -> None:
    def count_the_page(client: LinktClient) -> None:
        ask = client.list_runs_page

        async def listing(**filters: Any) -> Page[Run]:
            page = await ask(**filters)
            return Page(page.items, len(page.items), page.page, page.page_size)

        client.list_runs_page = listing  # type: ignore[method-assign]

    runs_of_the_past(quiet, 150, ago=60, apart=0.01)
    collect(quiet, count_the_page)
    assert look(quiet, count_the_page) is None
    (theirs,) = runs_of_the_past(quiet, 1, ago=30)
    assert theirs.id in str(look(quiet, count_the_page))


def test_a_list_or_a_run_that_can_not_be_read_is_not_nothing(quiet: Scene) -> None:
    quiet.sandbox.inject("http_500@list_runs*1")
    with pytest.raises(ServerError):
        look(quiet, retry_for=None)

    quiet.sandbox.inject("paused_run")
    start_elsewhere(quiet)
    quiet.sandbox.inject("http_500@get_run*1")
    with pytest.raises(ServerError):
        look(quiet, retry_for=None)
    assert remembered(quiet) == ()


UNUSABLE_ROWS = {name: body for name, (body, _) in UNUSABLE.items()} | {"no id": b'{"status": "COMPLETED"}'}


@pytest.mark.parametrize("body", UNUSABLE_ROWS.values(), ids=UNUSABLE_ROWS)
def test_a_run_that_can_not_be_used_is_news_until_it_is_kept(scene: Scene, body: bytes) -> None:
    linkt = Linkt(a=body_of("a"))

    async def ask() -> str | None:
        async with serving(linkt) as server, client_for(server, max_body=200_000) as client:
            return await look_for_news(client, scene.warehouse)

    def is_quiet() -> bool:
        try:
            return run(ask()) is None
        except LinktApiError:
            return False

    collect_from(scene, linkt)
    assert is_quiet()
    linkt.runs["b"] = body
    assert not is_quiet()
    collect_from(scene, linkt)
    assert is_quiet()


def test_a_remembered_run_that_is_gone_is_news_and_one_that_is_listed_all_the_same_is_not(quiet: Scene) -> None:
    quiet.sandbox.inject("paused_run")
    theirs = start_elsewhere(quiet)
    quiet.sandbox.inject(f"http_404@get_run:{theirs}*0")

    assert look(quiet) is None
    assert look(quiet) is None
    assert remembered(quiet) == (theirs,)
    quiet.sandbox.world.own.remove("run", theirs)
    assert f"run {theirs} no longer exists" in str(look(quiet))


@WITH_EACH_ENGINE
def test_the_run_of_a_worker_that_died_is_asked_for_by_itself(quiet: Scene) -> None:
    async def start_and_die() -> str:
        async with quiet.worker() as worker:
            started = await start_or_adopt(worker, search())
            await asyncio.to_thread(worker.ledger.release, worker.owner)
            return str(started.run_id)

    quiet.sandbox.inject("run_life=3600")
    ours = run(start_and_die())
    with quiet.warehouse.write() as con:  # as if a list had been read to its end without showing it
        Cursor(datetime.now(UTC) + timedelta(hours=1)).write(con)

    assert look(quiet) is None
    quiet.sandbox.world.own.runs[ours].status = "COMPLETED"
    assert ours in str(look(quiet))
    collect(quiet)
    assert quiet.states() == ["finished"]


def test_the_key_of_another_organization_remembers_nothing(quiet: Scene) -> None:
    for record in list(quiet.sandbox.world.own.runs.values()):
        quiet.sandbox.world.own.remove("run", record.id)
    quiet.sandbox.inject("paused_run")
    start_elsewhere(quiet)

    with pytest.raises(OtherOrganizationError):
        look(quiet)
    assert remembered(quiet) == ()
