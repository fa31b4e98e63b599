"""Refreshing: what was set and deleted in Linkt's own screens arrives, and a list alone deletes nothing."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from linkt_pipeline.access.client import connect
from linkt_pipeline.api import BodyTooLargeError, LinktApiError, LinktClient, MalformedBodyError
from linkt_pipeline.collection.errors import OtherOrganizationError, RefreshGoingError
from linkt_pipeline.collection.refresh import Refreshed, _alone, refresh_entities
from linkt_pipeline.collection.refresh_state import Place, RefreshState
from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.sandbox.world.records import EntityRow, RunRecord
from linkt_pipeline.sandbox.world.reference_data import FAIR, SAAS
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.queries import known_icp_ids
from linkt_pipeline.warehouse.state import last_change
from tests.engines import WITH_EACH_ENGINE
from tests.executions.scene import SPEED, Scene, run
from tests.hostile.server import After, Answer, Hooks, hostile_sandbox

from .test_fetch import create_entities, fetch, name

AS_JSON = (("content-type", "application/json"),)


def remove_all(scene: Scene) -> None:
    for entity_id in list(scene.sandbox.world.own.entities):
        scene.sandbox.world.own.remove("entity", entity_id)


@pytest.fixture
def empty(scene: Scene) -> Scene:
    """Linkt before anything was found."""
    remove_all(scene)
    return scene


@pytest.fixture(scope="module")
def lying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Hooks]]:
    """230 landed entities before a server whose answers a test may change; none of these changes a row."""
    with hostile_sandbox(speed=SPEED) as (sandbox, hooks):
        scene = Scene(sandbox, FileWarehouse(tmp_path_factory.mktemp("lying") / "warehouse.duckdb"))
        remove_all(scene)
        land(scene, 230)
        yield scene, hooks


@pytest.fixture
def liar(lying: tuple[Scene, Hooks]) -> Iterator[tuple[Scene, Hooks]]:
    scene, hooks = lying
    scene.sandbox.world.requests.clear()
    yield scene, hooks
    hooks.clear()


def refresh(scene: Scene, *, log: Callable[[str], None] = lambda _: None, **options: Any) -> Refreshed:
    async def work() -> Refreshed:
        async with scene.worker(retry_for=timedelta(milliseconds=50), **options) as worker:
            return await refresh_entities(worker.client, scene.warehouse, log=log)

    return run(work())


def in_linkt(scene: Scene, method: str, path: str, **body: Any) -> None:
    """What a person does in Linkt's own screens."""
    headers = {"x-api-key": scene.sandbox.api_key}
    httpx.request(method, f"{scene.sandbox.url}{path}", json=body or None, headers=headers).raise_for_status()


def land(scene: Scene, number: int, icp_id: str = SAAS) -> list[str]:
    """Entities that a run named, landed."""
    ids = create_entities(scene, icp_id, number)
    run_id = name(scene, icp_id, ids)
    record = RunRecord(run_id, 0, None, icp_id, "search", {}, [], 0, 0, 0, 0, 0, 0, {}, status="COMPLETED")
    scene.sandbox.world.own.put_run(record)
    fetch(scene)
    scene.sandbox.world.requests.clear()
    return ids


def vanish(scene: Scene, entity_id: str) -> EntityRow:
    """It is in Linkt no more; returns what it was."""
    row = scene.sandbox.world.own.entities[entity_id]
    scene.sandbox.world.own.remove("entity", entity_id)
    return row


def deleted(scene: Scene) -> set[str]:
    return {
        entity_id for (entity_id,) in scene.query("select entity_id from linkt.entities where deleted_at is not null")
    }


def asked(scene: Scene) -> tuple[int, int, int]:
    """Pages, single reads, and other requests."""
    counts = dict(scene.sandbox.world.requests.counts())
    return counts.pop("list_entities", 0), counts.pop("get_entity", 0), sum(counts.values())


def everything(scene: Scene) -> list[Any]:
    """All rows, and the mark that tells whether there is anything to build and publish."""
    with scene.warehouse.read() as con:
        tables = ("entities", "entity_versions", "run_resources", "rejects")
        rows = [con.execute(f"select * from linkt.{table} order by all").fetchall() for table in tables]
        return [*rows, last_change(con)]


@WITH_EACH_ENGINE
def test_changes_and_deletions_arrive_and_a_second_pass_writes_nothing(empty: Scene) -> None:
    ids = land(empty, 250)
    changed, gone = ids[:3], ids[10:12]
    for entity_id in changed:
        in_linkt(empty, "PUT", f"/v1/entity/{entity_id}", status="contacted")
    for entity_id in gone:
        in_linkt(empty, "DELETE", f"/v1/entity/{entity_id}")
    [unnamed] = create_entities(empty, SAAS, 1)
    empty.sandbox.world.requests.clear()

    done = refresh(empty)

    assert (done.fetched.updated, done.fetched.versions, done.fetched.inserted, done.fetched.deleted) == (3, 4, 1, 2)
    assert deleted(empty) == set(gone)
    rows = empty.query("select entity_id, run_id from linkt.entity_versions where status = 'contacted'")
    assert sorted(rows) == [(entity_id, None) for entity_id in sorted(changed)]
    assert empty.query(f"select count(*) from linkt.entities where entity_id = '{unnamed}'") == [(1,)]
    assert asked(empty) == (3, 2, 0)

    before = everything(empty)
    again = refresh(empty)

    assert everything(empty) == before
    assert (again.fetched.updated, again.fetched.deleted, again.fetched.reads) == (0, 0, 2)  # are they still gone?


def test_an_entity_that_reappears_is_deleted_no_more(empty: Scene) -> None:
    ids = land(empty, 5)
    hidden = [vanish(empty, entity_id) for entity_id in ids[:2]]
    refresh(empty)
    assert deleted(empty) == set(ids[:2])

    for row in hidden:
        empty.sandbox.world.own.put_entity(row)
    in_linkt(empty, "PUT", f"/v1/entity/{ids[0]}", status="passed")
    done = refresh(empty)

    assert deleted(empty) == set()
    assert (done.fetched.restored, done.fetched.updated, done.fetched.versions) == (2, 1, 1)


def test_deleted_ones_that_no_list_shows_are_asked_for_again_a_few_at_a_time(liar: tuple[Scene, Hooks]) -> None:
    scene, hooks = liar
    gone = orjson.dumps({"detail": "no"})
    all_ids = sorted(scene.sandbox.world.own.entities)
    hidden = all_ids[30:55]
    hooks.after["list_entities"] = shows(
        lambda page: page.update(entities=[row for row in page["entities"] if row["id"] not in hidden])
    )
    hooks.before["get_entity"] = lambda _: Answer(gone, 404, (("content-type", "application/json"),))
    refresh(scene)
    assert deleted(scene) == set(hidden)
    before = everything(scene)
    scene.sandbox.world.requests.clear()

    asked_for: list[int] = [refresh(scene).fetched.reads for _ in range(2)]
    assert (asked_for, everything(scene)) == ([20, 20], before)

    hooks.before.clear()
    assert (refresh(scene).fetched.restored, deleted(scene)) == (25, set())


def test_deleted_ones_of_an_icp_that_only_they_tell_of_come_back(empty: Scene) -> None:
    ids = land(empty, 5)
    with empty.warehouse.write() as con:
        con.execute("delete from linkt.icps; update linkt.runs set icp_id = null")
    hidden = [vanish(empty, entity_id) for entity_id in ids]
    refresh(empty)
    assert deleted(empty) == set(ids)

    for row in hidden:
        empty.sandbox.world.own.put_entity(row)
    refresh(empty)

    assert deleted(empty) == set()


def shows(change: Callable[[dict[str, Any]], None]) -> Callable[[Answer], Answer]:
    """Every page, changed."""

    def after(answer: Answer) -> Answer:
        page = orjson.loads(answer.body)
        change(page)
        return Answer(orjson.dumps(page), answer.status, answer.headers)

    return after


def _ends_early(page: dict[str, Any]) -> None:
    if page["page"] > 1:
        page["entities"] = []


def _fewer_than_its_total(page: dict[str, Any]) -> None:
    page["entities"] = page["entities"][:7]


def _total_shrinks(page: dict[str, Any]) -> None:
    page["total"] = 100


def _first_page_again(page: dict[str, Any]) -> None:
    _first_page_again.rows = page["entities"] if page["page"] == 1 else _first_page_again.rows  # type: ignore[attr-defined]
    page["entities"] = _first_page_again.rows  # type: ignore[attr-defined]


def _hole_in_the_middle(page: dict[str, Any]) -> None:
    if page["page"] == 2:
        page["entities"] = []


def _nothing_at_all(page: dict[str, Any]) -> None:
    page |= {"entities": [], "total": 0}


LIES = [_ends_early, _fewer_than_its_total, _total_shrinks, _first_page_again, _hole_in_the_middle, _nothing_at_all]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__.strip("_"))
def test_a_list_that_lies_deletes_nothing_and_costs_a_few_reads(
    liar: tuple[Scene, Hooks], lie: Callable[[dict[str, Any]], None]
) -> None:
    scene, hooks = liar
    hooks.after["list_entities"] = shows(lie)
    before, told = everything(scene), []

    refresh(scene, log=told.append)

    assert everything(scene) == before
    pages, reads, others = asked(scene)
    assert pages <= 50
    assert (reads, others <= 1) == (20, True)
    assert "leaves out entities that are there" in told[-1]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_an_icp_without_a_list_deletes_nothing(liar: tuple[Scene, Hooks], status: int) -> None:
    scene, hooks = liar
    body = orjson.dumps({"detail": "no"})
    hooks.before["list_entities"] = lambda _: Answer(body, status, (("content-type", "application/json"),))
    before = everything(scene)

    done = refresh(scene)

    assert everything(scene) == before
    assert asked(scene)[1] == (20 if status == 404 else 0)
    assert len(done.failures) == (status != 404)


def test_another_organizations_key_deletes_and_lands_nothing(scene: Scene) -> None:
    scene.execute()
    fetch(scene)
    before = everything(scene)

    with running_sandbox(speed=SPEED, seed=99) as elsewhere, pytest.raises(OtherOrganizationError):
        refresh(scene, url=elsewhere.url, api_key=elsewhere.api_key)

    assert everything(scene) == before


def test_ids_of_a_list_in_another_spelling_are_no_second_entities(liar: tuple[Scene, Hooks]) -> None:
    scene, hooks = liar

    def spell(page: dict[str, Any]) -> None:
        for row in page["entities"]:
            row["id"] = f" {row['id']}" if row["id"].isdigit() else row["id"].upper()

    hooks.after["list_entities"] = shows(spell)
    before = everything(scene)

    refresh(scene)

    assert (everything(scene), asked(scene)[1]) == (before, 0)


def test_two_lists_that_claim_the_same_rows_write_nothing(liar: tuple[Scene, Hooks]) -> None:
    scene, hooks = liar
    rows: list[dict[str, Any]] = []

    def claim(page: dict[str, Any]) -> None:
        if page["entities"]:
            rows.extend(page["entities"])
        else:  # of the other ICP
            page |= {"entities": [{**row, "icp_id": claimant} for row in rows], "total": len(rows)}

    hooks.after["list_entities"] = shows(claim)
    before = everything(scene)
    for claimant in ("f" * 24, "0" * 24):  # it is read after the true one, and before
        with scene.warehouse.write(news=False) as con:
            con.execute("insert into linkt.icps (icp_id, fetched_at) values ($1, now())", [claimant])

        assert (refresh(scene).icps, everything(scene)) == (2, before)

        with scene.warehouse.write(news=False) as con:
            con.execute("delete from linkt.icps")


def test_an_entity_that_moves_to_another_icp_moves_whatever_its_time_says(empty: Scene) -> None:
    ids = land(empty, 3)
    land(empty, 1, FAIR)
    for entity_id in ids[:2]:
        row = vanish(empty, entity_id)
        body = row.body.replace(SAAS.encode(), FAIR.encode())
        empty.sandbox.world.own.put_entity(dataclasses.replace(row, icp_id=FAIR, body=body))

    refresh(empty)

    rows = empty.query(f"select entity_id from linkt.entities where icp_id = '{FAIR}' order by all")
    assert {entity_id for (entity_id,) in rows} > set(ids[:2])


def test_a_page_of_giants_keeps_no_news_from_arriving(liar: tuple[Scene, Hooks], monkeypatch: Any) -> None:
    scene, _ = liar
    read = LinktClient.list_entities_page

    async def read_page(client: LinktClient, page: int, **options: Any) -> Any:
        if page == 1:
            raise BodyTooLargeError("{", limit=2**20, method="GET", path="/v1/entity", status=200)
        return await read(client, page, **options)

    monkeypatch.setattr(LinktClient, "list_entities_page", read_page)
    before = everything(scene)

    done = refresh(scene)

    assert everything(scene) == before
    assert (done.icps, asked(scene)[:2], len(done.warnings)) == (1, (2, 100), 1)


NOT_THE_RUN = [b"<html>Log in</html>", b'{"id": "ffffffffffffffffffffffff", "status": "COMPLETED"}', b"{}"]


@pytest.mark.parametrize("body", NOT_THE_RUN, ids=["login", "another run", "nothing"])
def test_what_shows_no_known_run_is_no_witness_for_404s(liar: tuple[Scene, Hooks], body: bytes) -> None:
    scene, hooks = liar
    gone, as_json = orjson.dumps({"detail": "no"}), (("content-type", "application/json"),)
    hooks.after["list_entities"] = shows(_nothing_at_all)
    hooks.before["get_entity"] = lambda _: Answer(gone, 404, as_json)
    hooks.before["get_run"] = lambda _: Answer(body, 200, as_json)
    before = everything(scene)

    with pytest.raises(MalformedBodyError):
        refresh(scene)

    assert everything(scene) == before


def _other_spelling(answer: Answer) -> Answer:
    row = orjson.loads(answer.body)
    return Answer(orjson.dumps({**row, "id": f"{row['id'].upper()} "}), 200, AS_JSON)


SINGLES: dict[str, After] = {
    "other spelling": _other_spelling,
    "another entity": lambda _: Answer(b'{"id": "ffffffffffffffffffffffff", "data": {}}', 200, AS_JSON),
    "no JSON": lambda _: Answer(b"<html>", 200, AS_JSON),
    "foreign 404": lambda _: Answer(b"default backend - 404", 404, (("content-type", "text/plain"),)),
}


@pytest.mark.parametrize("single", SINGLES.values(), ids=SINGLES)
def test_single_reads_that_cannot_be_used_write_nothing(liar: tuple[Scene, Hooks], single: After) -> None:
    scene, hooks = liar
    hooks.after["list_entities"] = shows(_nothing_at_all)
    hooks.after["get_entity"] = single
    before = everything(scene)

    with contextlib.suppress(LinktApiError):
        refresh(scene)

    assert everything(scene) == before


def test_an_unreadable_run_is_a_witness(liar: tuple[Scene, Hooks]) -> None:
    scene, hooks = liar
    hooks.after["list_entities"] = shows(_nothing_at_all)
    hooks.before["get_run"] = lambda path: Answer(
        f'{{"id": "{path.rsplit("/", 1)[1]}", "status": no JSON}}'.encode(),
        200,
        (("content-type", "application/json"),),
    )

    assert not refresh(scene).warnings


def test_without_a_list_each_gets_its_turn_and_what_went_with_its_icp_is_found_at_once(empty: Scene) -> None:
    ids = sorted(land(empty, 50))
    for entity_id in ids[45:]:
        vanish(empty, entity_id)
    empty.sandbox.inject("http_404@list_entities*0")

    found = []
    for _ in range(3):
        refresh(empty)
        found.append(len(deleted(empty)))
    for entity_id in ids[:45]:
        vanish(empty, entity_id)
    refresh(empty)

    assert found == [0, 0, 5]
    assert deleted(empty) == set(ids)


def test_the_days_requests_end_it_and_the_next_goes_on_there(empty: Scene) -> None:
    saas, fair = land(empty, 250), land(empty, 130, FAIR)
    for entity_id in [saas[0], saas[-1], fair[0], fair[-1]]:
        in_linkt(empty, "DELETE", f"/v1/entity/{entity_id}")
    empty.sandbox.world.requests.clear()

    async def work(limit: int) -> Refreshed:
        key = SecretStr(empty.sandbox.api_key)
        async with connect(empty.sandbox.url, key, empty.warehouse, daily_request_limit=limit) as client:
            return await refresh_entities(client, empty.warehouse)

    rounds = [run(work(limit)) for limit in (3, 6, 9, 12)]

    assert [bool(each.stopped) for each in rounds] == [True, True, True, False]
    assert deleted(empty) == {saas[0], saas[-1], fair[0], fair[-1]}
    assert asked(empty)[:2] == (5, 5)  # one twice: marked when its ICP was not read to the end


def test_a_refresh_that_was_killed_goes_on_for_an_hour_and_says_so(empty: Scene) -> None:
    entities = {icp_id: land(empty, 1, icp_id)[0] for icp_id in (SAAS, FAIR)}
    with empty.warehouse.read() as con:
        known = sorted(known_icp_ids(con))
    for age, read_again in [(5, known[-1:]), (61, known)]:
        at = datetime.now(UTC) - timedelta(minutes=age)
        state, told = RefreshState(), []
        with empty.warehouse.write() as con:
            for icp_id in known[:-1]:
                state = state.passed(icp_id, at, None, None)
            state.write(con)
        in_linkt(empty, "PUT", f"/v1/entity/{entities[SAAS]}", status="contacted" if age == 5 else "passed")

        done = refresh(empty, log=told.append)

        assert (done.icps, ["leaves out" in line for line in told]) == (len(read_again), [True] * (age == 5))
        assert done.fetched.updated == (SAAS in read_again)


def test_what_was_read_an_hour_ago_comes_after_what_was_not_and_a_pause_has_no_end() -> None:
    now = datetime.now(UTC)
    old = now - timedelta(days=3)
    state = RefreshState({"a": old, "b": now - timedelta(days=4), "c": now})

    assert state.left({"a", "b", "c", "d"}, now) == ["d", "b", "a"]
    assert state.left({"c"}, now) == ["c"]  # killed after the last of them
    for is_paused in (True, False):
        goes_on = state.stopped_at(Place("d", 7, ("x",), old, is_paused)).resumed(now)
        assert bool(goes_on.place) == is_paused


@WITH_EACH_ENGINE
def test_one_refresh_at_a_time(empty: Scene) -> None:
    land(empty, 1)
    with _alone(empty.warehouse), pytest.raises(RefreshGoingError):
        refresh(empty)
