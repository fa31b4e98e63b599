"""Fetching: each named id ends as landed, missing or rejected, whichever way it was read and whatever broke."""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import duckdb
import orjson
import pytest

from linkt_pipeline.api import AuthenticationError, LinktApiError, LinktClient, Run
from linkt_pipeline.collection.errors import OtherOrganizationError
from linkt_pipeline.collection.fetch import fetch_pending
from linkt_pipeline.collection.land_runs import land_runs
from linkt_pipeline.collection.lander import Fetched, Limits, landing
from linkt_pipeline.collection.organization import Organization
from linkt_pipeline.collection.reading import Reader
from linkt_pipeline.collection.resources import ENTITIES, SIGNALS, Resource
from linkt_pipeline.collection.seen_run import SeenRun
from linkt_pipeline.collection.verdicts import Batch, Missing, Verdict
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.sandbox.world.records import EntityRow, SignalRow
from linkt_pipeline.sandbox.world.reference_data import FAIR, MONITOR, SAAS, SHEET_SIGNALS_TASK
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.errors import WarehouseUnwritableError
from linkt_pipeline.warehouse.landing import LandingCounts
from tests.engines import OF_A_FILE, WITH_EACH_ENGINE
from tests.executions.scene import SPEED, Scene, run, search

_numbers = count(1)
STATES = ("pending", "landed", "missing", "rejected")


def create_entities(scene: Scene, icp_id: str, number: int) -> list[str]:
    """Entities that exist in Linkt; returns their ids, oldest first."""
    ids = [f"{next(_numbers):024x}" for _ in range(number)]
    for entity_id in ids:
        body = {
            "id": entity_id,
            "sheet_id": "5" * 24,
            "sheet_name": "People",
            "icp_id": icp_id,
            "entity_type": "person",
            "data": {"name": {"value": f"Person {entity_id}", "references": []}},
            "created_at": "2026-11-01T00:00:00Z",
            "updated_at": "2026-11-02T00:00:00Z",
        }
        row = EntityRow(entity_id, 0, icp_id, "5" * 24, "person", None, "x", None, False, orjson.dumps(body))
        scene.sandbox.world.own.put_entity(row)
    return ids


def create_signals(scene: Scene, icp_id: str, number: int) -> list[str]:
    """Signals that exist in Linkt."""
    ids, now = [f"{next(_numbers):024x}" for _ in range(number)], datetime.now(UTC)
    for signal_id in ids:
        body = {"id": signal_id, "icp_id": icp_id, "entity_ids": [], "summary": "News", "signal_type": None}
        body |= {"strength": None, "score": None, "references": [], "created_at": now.isoformat()}
        row = SignalRow(signal_id, icp_id, [], None, None, "News", now.timestamp(), orjson.dumps(body))
        scene.sandbox.world.own.put_signal(row)
    return ids


def name(scene: Scene, icp_id: str | None, ids: Sequence[str], *, kind: str = "entities_created") -> str:
    """Land a run that names these ids; returns its id."""
    run_id = f"{next(_numbers):024x}"
    wire: dict[str, Any] = {
        "id": run_id,
        "icp_id": icp_id,
        "status": "COMPLETED",
        "output": {"resources": {kind: list(ids)}},
        "created_at": "2026-11-02T00:00:00Z",
        "updated_at": "2026-11-02T01:00:00Z",
    }
    named = Run.model_validate(wire).read_from(orjson.dumps(wire).decode(), wire)
    land_runs(scene.warehouse, [SeenRun(named, datetime.now(UTC))])
    return run_id


def fetch(scene: Scene, resource: Resource = ENTITIES, **options: Any) -> Fetched:
    async def work() -> Fetched:
        async with scene.worker(retry_for=options.pop("retry_for", timedelta(seconds=2))) as worker:
            return await fetch_pending(worker.client, scene.warehouse, resource, **options)

    return run(work())


def books(scene: Scene) -> dict[str, int]:
    counts = dict(scene.query("select state, count(*) from linkt.run_resources group by all"))
    assert set(counts) <= set(STATES)
    return counts


def requests(scene: Scene) -> int:
    counts = scene.sandbox.world.requests.counts()
    return sum(counts.get(name, 0) for name in ("get_entity", "list_entities", "get_signal", "list_signals"))


def landed(scene: Scene) -> set[str]:
    rows = [entity_id for (entity_id,) in scene.query("select entity_id from linkt.entities")]
    assert len(rows) == len(set(rows))
    return set(rows)


# --- what it costs


def test_a_thousand_ids_in_three_icps_cost_a_twentieth_of_the_requests(scene: Scene) -> None:
    named = []
    for icp_id, number in ((SAAS, 500), (FAIR, 300), ("7" * 24, 200)):
        ids = create_entities(scene, icp_id, number)
        name(scene, icp_id, ids)
        named += ids

    fetched = fetch(scene)

    assert landed(scene) == set(named)
    assert (fetched.pending, fetched.landed, fetched.settled) == (1000, 1000, 1000)
    assert requests(scene) == fetched.pages + fetched.reads <= 1000 / 20


def test_ids_scattered_over_a_long_list_cost_no_more_than_one_by_one_and_two_pages(scene: Scene) -> None:
    ids = create_entities(scene, SAAS, 2000)[5::200]
    name(scene, SAAS, ids)

    fetch(scene)

    assert landed(scene) == set(ids)
    assert requests(scene) <= len(ids) + 2


def test_nothing_pending_costs_nothing(scene: Scene) -> None:
    assert fetch(scene) == Fetched()
    assert requests(scene) == 0


@WITH_EACH_ENGINE
def test_an_id_named_by_many_runs_is_read_once(scene: Scene) -> None:
    ids = create_entities(scene, SAAS, 2)
    name(scene, SAAS, ids)
    name(scene, SAAS, ids, kind="entities_updated")

    fetch(scene)

    assert requests(scene) == 2
    assert books(scene) == {"landed": 4}


# --- by page or by id: the same tables


def tables(scene: Scene) -> list[Any]:
    return [
        scene.query("select * exclude (fetched_at) from linkt.entities order by entity_id"),
        scene.query("select * exclude (fetched_at) from linkt.entity_versions order by all"),
        scene.query("select * exclude (fetched_at) from linkt.signals order by signal_id"),
        scene.query("select * exclude (landed_at, named_at) from linkt.run_resources order by all"),
        scene.query("select * exclude (received_at) from linkt.rejects order by all"),
    ]


@OF_A_FILE
def test_by_page_and_by_id_end_in_identical_tables(scene: Scene) -> None:
    """Over the sandbox's own odd companies, people, duplicates and signals."""
    scene.execute(
        search(parameters={"num_results": 25}),
        search(key="news", task_id=SHEET_SIGNALS_TASK, icp_id=MONITOR, parameters={"num_results": 12}),
    )
    one_by_one = Scene(scene.sandbox, FileWarehouse(scene.warehouse.path.with_name("copy.duckdb")))
    one_by_one.warehouse.path.write_bytes(scene.warehouse.path.read_bytes())

    by_pages = [fetch(scene, reader) for reader in (ENTITIES, SIGNALS)]
    by_ids = [fetch(one_by_one, reader, by_pages=False) for reader in (ENTITIES, SIGNALS)]

    assert all(fetched.pages > 0 for fetched in by_pages)
    assert all(fetched.pages == 0 for fetched in by_ids)
    assert tables(scene) == tables(one_by_one)
    assert set(books(scene)) == {"landed"}


def test_signals_older_than_any_list_are_read_by_id(scene: Scene) -> None:
    ids = create_signals(scene, MONITOR, 5)
    for signal_id in ids:
        row = scene.sandbox.world.own.signals[signal_id]
        row.created -= 200 * 86_400
    name(scene, MONITOR, ids, kind="signals_created")

    fetched = fetch(scene, SIGNALS)

    assert (fetched.landed, fetched.reads) == (5, 5)


def test_ids_of_a_run_without_an_icp_are_read_by_id(scene: Scene) -> None:
    name(scene, None, create_entities(scene, SAAS, 5))

    fetched = fetch(scene)

    assert (fetched.landed, fetched.reads, fetched.pages) == (5, 5, 0)


def test_the_list_of_an_icp_that_was_deleted_is_no_verdict(scene: Scene) -> None:
    ids = create_entities(scene, SAAS, 5)
    name(scene, SAAS, ids)
    scene.sandbox.inject("http_404@list_entities*0")

    assert fetch(scene).landed == 5
    assert landed(scene) == set(ids)


# --- 404


@WITH_EACH_ENGINE
def test_an_id_that_gives_404_is_missing_and_only_a_single_read_says_so(scene: Scene) -> None:
    there, gone = create_entities(scene, SAAS, 4), ["9" * 24]
    name(scene, SAAS, there + gone)

    fetched = fetch(scene)

    assert (fetched.landed, fetched.missing) == (4, 1)
    assert books(scene) == {"landed": 4, "missing": 1}
    assert scene.sandbox.world.requests.count("get_entity", 404) == 1


def test_an_id_that_came_back_is_landed_when_asked_for_again(scene: Scene) -> None:
    scene.execute(search())
    fetch(scene)
    ids = create_entities(scene, SAAS, 2)
    name(scene, SAAS, ids)
    hidden = [scene.sandbox.inject(f"missing@get_entity:{entity_id}") for entity_id in ids]
    fetch(scene)
    assert books(scene)["missing"] == 2
    for fault in hidden:
        fault.times = 0

    assert fetch(scene).pending == 0  # not asked again by itself
    assert fetch(scene, retry_settled=True).landed == 2
    assert set(books(scene)) == {"landed"}


def test_the_404s_of_another_organizations_key_settle_nothing(scene: Scene) -> None:
    scene.execute(search())
    pending = books(scene)

    async def with_another_key() -> None:
        with running_sandbox(speed=SPEED, seed=99) as elsewhere:
            async with scene.worker(url=elsewhere.url, api_key=elsewhere.api_key) as worker:
                await fetch_pending(worker.client, scene.warehouse, ENTITIES)

    with pytest.raises(OtherOrganizationError, match="LINKT_API_KEY seems to belong to another organization"):
        run(with_another_key())

    assert books(scene) == pending
    assert fetch(scene).missing == 0
    assert set(books(scene)) == {"landed"}


@pytest.mark.parametrize("fault", ["http_403@get_run*0", "http_404@get_run*0"])
def test_a_run_that_the_key_may_not_see_does_not_speak_for_its_404s(scene: Scene, fault: str) -> None:
    scene.execute(search())
    pending = books(scene)
    scene.sandbox.inject("missing@get_entity")
    scene.sandbox.inject(fault)

    with pytest.raises(OtherOrganizationError):
        fetch(scene, by_pages=False)

    assert books(scene) == pending


def test_ids_that_are_all_gone_cost_one_more_request(scene: Scene) -> None:
    """Their run is still there, so the key is the right one."""
    scene.execute(search())
    scene.sandbox.inject("missing@get_entity")
    scene.sandbox.world.requests.clear()

    fetched = fetch(scene, by_pages=False)

    assert fetched.missing == fetched.pending > 1
    assert set(books(scene)) == {"missing"}
    assert scene.sandbox.world.requests.count("get_run") == 1


# --- bodies that can't be used


@pytest.mark.parametrize("how", ["truncated", "empty", "html", "list", "missing_id", "wrong_type"])
def test_a_body_that_is_broken_once_is_read_again(scene: Scene, how: str) -> None:
    ids = create_entities(scene, SAAS, 2)
    name(scene, SAAS, ids)
    scene.sandbox.inject(f"malformed_body={how}@get_entity:{ids[0]}")

    fetched = fetch(scene)

    assert fetched.landed == 2
    assert scene.sandbox.world.requests.count("get_entity") == 3
    assert scene.query("select * from linkt.rejects") == []


@pytest.mark.parametrize("how", ["truncated", "empty", "html", "list", "missing_id", "wrong_type"])
def test_a_body_that_stays_broken_is_kept_with_its_reason_until_it_is_whole(scene: Scene, how: str) -> None:
    ids = create_entities(scene, SAAS, 2)
    run_id = name(scene, SAAS, ids)
    broken = scene.sandbox.inject(f"malformed_body={how}@get_entity:{ids[0]}*0")

    fetched = fetch(scene)

    assert (fetched.landed, fetched.rejected) == (1, 1)
    ((resource, resource_id, named_by, reason, payload),) = scene.query(
        "select resource_type, resource_id, run_id, reason, payload from linkt.rejects"
    )
    assert (resource, resource_id, named_by) == ("entity", ids[0], run_id)
    assert reason
    assert payload is not None
    assert how != "html" or "Welcome" in payload
    broken.times = 0
    assert fetch(scene, retry_settled=True).landed == 1
    assert books(scene) == {"landed": 2}
    assert scene.query("select * from linkt.rejects") == []


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_second_look_that_fails_keeps_the_rest_of_its_batch(scene: Scene, status: int) -> None:
    ids = create_entities(scene, SAAS, 5)
    name(scene, None, ids)
    scene.sandbox.inject(f"malformed_body=wrong_type@get_entity:{ids[0]}")
    scene.sandbox.inject(f"http_{status}=60@get_entity:{ids[0]}*0+1")

    fetched = fetch(scene, retry_for=timedelta(milliseconds=100))

    assert (fetched.landed, len(fetched.failures)) == (4, 1)
    assert books(scene) == {"landed": 4, "pending": 1}


@WITH_EACH_ENGINE
def test_a_body_that_speaks_of_another_id_is_rejected(scene: Scene) -> None:
    first, second = create_entities(scene, SAAS, 2)
    name(scene, SAAS, [first, second])
    rows = scene.sandbox.world.own.entities
    rows[first].body = rows[second].body

    fetched = fetch(scene)

    assert (fetched.landed, fetched.rejected) == (1, 1)
    assert landed(scene) == {second}
    assert second in scene.query("select reason from linkt.rejects")[0][0]


def test_an_id_that_can_not_be_one_is_rejected_without_a_request(scene: Scene) -> None:
    name(scene, SAAS, ["../../v1/task", "", "a b"])

    assert fetch(scene).pending == 0
    assert books(scene) == {"rejected": 3}
    assert requests(scene) == 0


# --- outages


@WITH_EACH_ENGINE
def test_what_was_read_before_the_api_died_is_landed_and_the_rest_stays_pending(scene: Scene) -> None:
    ids = create_entities(scene, SAAS, 120)
    name(scene, None, ids)
    scene.sandbox.inject("http_401@get_entity*0+50")

    with pytest.raises(AuthenticationError):
        fetch(scene)

    assert len(landed(scene)) == 50
    assert books(scene) == {"landed": 50, "pending": 70}
    scene.sandbox.world.faults.clear()
    assert fetch(scene).landed == 70
    assert landed(scene) == set(ids)


def test_a_full_queue_at_the_moment_of_an_outage_loses_no_batch(scene: Scene) -> None:
    """Landing is slow, so that readers wait with full batches in hand when another request fails."""
    ids = create_entities(scene, SAAS, 120)
    name(scene, None, ids)
    scene.sandbox.inject("http_401@get_entity*0+60")

    with pytest.raises(AuthenticationError):
        fetch(scene, concurrency=4, limits=Limits(rows=5))

    assert len(landed(scene)) == 60


@pytest.mark.parametrize("status", [403, 409, 500])
def test_one_id_that_fails_for_good_does_not_stop_the_others(scene: Scene, status: int) -> None:
    ids = create_entities(scene, SAAS, 10)
    name(scene, None, ids)
    scene.sandbox.inject(f"http_{status}@get_entity:{ids[3]}*0")

    fetched = fetch(scene, retry_for=timedelta(milliseconds=100))

    assert (fetched.landed, len(fetched.failures)) == (9, 1)
    assert ids[3] in fetched.failures[0]
    assert books(scene) == {"landed": 9, "pending": 1}
    ((reason,),) = scene.query("select last_error from linkt.run_resources where state = 'pending'")
    assert str(status) in reason

    scene.sandbox.world.faults.clear()
    fetch(scene)
    assert books(scene) == {"landed": 10}
    assert scene.query("select distinct last_error from linkt.run_resources") == [(None,)]


def test_an_api_that_is_down_is_given_up_after_a_few_ids(scene: Scene) -> None:
    name(scene, None, create_entities(scene, SAAS, 300))
    scene.sandbox.inject("http_500@get_entity*0")

    with pytest.raises(LinktApiError):
        fetch(scene, retry_for=None)

    assert requests(scene) < 100
    assert books(scene) == {"pending": 300}


@pytest.mark.parametrize(
    "fault", ["http_429=0.1@any*2", "http_503=0.1@any*3", "http_502@any*3", "reset@any*3", "cut_body@any*3"]
)
def test_a_passing_failure_costs_only_time(scene: Scene, fault: str) -> None:
    ids = create_entities(scene, SAAS, 30)
    name(scene, SAAS, ids[:20])
    name(scene, None, ids[20:])
    scene.sandbox.inject(fault)

    assert fetch(scene, retry_for=timedelta(seconds=10)).landed == 30
    assert landed(scene) == set(ids)


def test_a_disk_that_is_full_is_told_and_hangs_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    name(scene, None, create_entities(scene, SAAS, 300))

    def full(*args: Any, **kwargs: Any) -> None:
        raise WarehouseUnwritableError("no space left on device")

    monkeypatch.setattr(Resource, "land", full)

    with pytest.raises(WarehouseUnwritableError, match="no space left"):
        fetch(scene, concurrency=4, limits=Limits(rows=10))

    assert books(scene) == {"pending": 300}


def test_a_bug_in_landing_is_not_swallowed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    name(scene, None, create_entities(scene, SAAS, 3))

    def broken(*args: Any, **kwargs: Any) -> None:
        raise duckdb.InternalException("a bug")

    monkeypatch.setattr(Resource, "land", broken)

    with pytest.raises(duckdb.InternalException, match="a bug"):
        fetch(scene)


@WITH_EACH_ENGINE
def test_an_interrupt_ends_a_fetch_and_what_was_landed_stays(scene: Scene) -> None:
    ids = create_entities(scene, SAAS, 40)
    name(scene, None, ids)
    scene.sandbox.inject("hang=20@get_entity*0+20")

    async def work() -> None:
        async with scene.worker() as worker:
            first_batch = asyncio.Event()
            fetching = asyncio.create_task(
                fetch_pending(
                    worker.client,
                    scene.warehouse,
                    ENTITIES,
                    progress=lambda _: first_batch.set(),
                    concurrency=2,
                    limits=Limits(rows=5),
                )
            )
            await asyncio.wait_for(first_batch.wait(), 10)
            fetching.cancel()
            await asyncio.wait([fetching], timeout=10)
            assert fetching.cancelled()

    run(work())

    assert landed(scene) < set(ids)
    assert landed(scene)


# --- progress


def test_progress_is_told_batch_by_batch(scene: Scene) -> None:
    name(scene, None, create_entities(scene, SAAS, 40))
    told: list[int] = []

    fetch(scene, progress=lambda fetched: told.append(fetched.settled), limits=Limits(rows=10), concurrency=4)

    assert told == sorted(told)
    assert len(set(told)) >= 3
    assert told[-1] == 40


def test_more_pending_ids_than_fit_into_memory_are_settled_in_rounds(scene: Scene) -> None:
    ids = create_entities(scene, SAAS, 30)
    name(scene, SAAS, [*ids, "9" * 24])

    fetched = fetch(scene, limits=Limits(pending=7))

    assert (fetched.pending, fetched.landed, fetched.missing) == (31, 30, 1)


def test_a_failing_first_round_does_not_keep_the_next_ones_from_their_turn(scene: Scene) -> None:
    """Ids that stay pending come first in every round; they must not fill it for ever."""
    ids = sorted(create_entities(scene, SAAS, 9))
    name(scene, None, ids)
    for entity_id in ids[:3]:
        scene.sandbox.inject(f"http_500@get_entity:{entity_id}*0")

    fetched = fetch(scene, retry_for=None, limits=Limits(pending=3))

    assert (fetched.landed, len(fetched.failures)) == (6, 3)


def test_what_was_read_is_landed_while_the_next_answers_are_waited_for(scene: Scene) -> None:
    """On a small plan a batch takes half an hour to fill, and a killed process would pay for it again."""
    ids = create_entities(scene, SAAS, 3)
    name(scene, None, ids)

    async def work() -> Fetched:
        first_are_landed = asyncio.Event()

        async def read_body(client: LinktClient, entity_id: str) -> bytes:
            if entity_id == max(ids):
                await asyncio.wait_for(first_are_landed.wait(), 10)
            return await ENTITIES.read_body(client, entity_id)

        async with scene.worker() as worker:
            return await fetch_pending(
                worker.client,
                scene.warehouse,
                replace(ENTITIES, read_body=read_body),
                progress=lambda done: first_are_landed.set() if done.landed == 2 else None,
                limits=Limits(age=timedelta(milliseconds=20)),
            )

    assert run(work()).landed == 3


def test_what_was_read_when_a_read_fails_for_good_is_landed_and_no_damaged_body_is_kept(scene: Scene) -> None:
    """The damaged one would have been read a second time; until then nothing is known of it."""
    sound, damaged, refused = create_entities(scene, SAAS, 3)
    name(scene, None, [sound, damaged, refused])

    async def work() -> None:
        others_are_read = asyncio.Barrier(3)

        async def read_body(client: LinktClient, entity_id: str) -> bytes:
            body = await ENTITIES.read_body(client, entity_id)
            await asyncio.wait_for(others_are_read.wait(), 10)
            if entity_id == refused:
                await asyncio.sleep(0)
                raise AuthenticationError("the key is gone", method="GET", path="/", status=401)
            return b"{" if entity_id == damaged else body

        async with scene.worker() as worker:
            await fetch_pending(worker.client, scene.warehouse, replace(ENTITIES, read_body=read_body))

    with pytest.raises(AuthenticationError):
        run(work())

    assert landed(scene) == {sound}
    assert books(scene) == {"landed": 1, "pending": 2}


def test_no_more_is_read_while_two_batches_wait(scene: Scene) -> None:
    ids = create_entities(scene, SAAS, 40)
    name(scene, None, ids)
    read: list[str] = []
    read_before_the_first_was_landed: list[int] = []

    async def read_body(client: LinktClient, entity_id: str) -> bytes:
        body = await ENTITIES.read_body(client, entity_id)
        read.append(entity_id)
        return body

    def land(*arguments: Any) -> LandingCounts:
        time.sleep(0.3)
        if not read_before_the_first_was_landed:
            read_before_the_first_was_landed.append(len(read))
        return ENTITIES._land(*arguments)

    fetch(scene, replace(ENTITIES, read_body=read_body, _land=land), concurrency=4, limits=Limits(rows=2))

    assert landed(scene) == set(ids)
    assert read_before_the_first_was_landed[0] <= 3 * 2 + 4


@pytest.mark.parametrize("fault", [None, "http_401@get_entity*0"])
def test_threads_switch_as_usual_after_fetches_at_the_same_time(scene: Scene, fault: str | None) -> None:
    usual = sys.getswitchinterval()
    name(scene, None, create_entities(scene, SAAS, 3))
    name(scene, None, create_signals(scene, SAAS, 3), kind="signals_created")
    during: list[float] = []

    async def one(worker: Worker, resource: Resource) -> None:
        async def read_body(client: LinktClient, resource_id: str) -> bytes:
            during.append(sys.getswitchinterval())
            return await resource.read_body(client, resource_id)

        await fetch_pending(worker.client, scene.warehouse, replace(resource, read_body=read_body))

    async def work() -> None:
        async with scene.worker(retry_for=timedelta(seconds=2)) as worker:
            await asyncio.gather(one(worker, ENTITIES), one(worker, SIGNALS), return_exceptions=True)

    if fault:
        scene.sandbox.inject(fault)
    run(work())

    assert max(during) < usual
    assert sys.getswitchinterval() == usual


def test_a_batch_is_as_old_as_the_first_of_its_requests() -> None:
    """Nothing in it may pass for newer than what another process has landed since."""
    batch, now = Batch(), datetime.now(UTC)

    for minutes in (1, 3, 2):
        batch.add(Missing(f"{minutes}", now - timedelta(minutes=minutes)))

    assert batch.missing == ["1", "3", "2"]
    assert batch.asked_since == now - timedelta(minutes=3)


@pytest.mark.parametrize("fault", ["http_500@list_entities*0", "malformed_body=html@list_entities*0"])
def test_a_list_that_fails_for_good_keeps_no_id_pending(scene: Scene, fault: str) -> None:
    """Pages are there to save requests; whatever is wrong with them, ids are read one by one."""
    ids = create_entities(scene, SAAS, 10)
    name(scene, SAAS, ids)
    scene.sandbox.inject(fault)

    assert fetch(scene, retry_for=timedelta(milliseconds=100)).landed == 10


def test_a_404_is_as_old_as_its_request(scene: Scene) -> None:
    """A run that is landed between request and answer may have made the id anew, so the answer can't speak for it."""
    gone = f"{next(_numbers):024x}"
    verdicts: list[Verdict] = []
    sent_at: list[datetime] = []

    async def take(more: Sequence[Verdict]) -> None:
        verdicts.extend(more)

    async def read_body(client: LinktClient, entity_id: str) -> bytes:
        sent_at.append(datetime.now(UTC))
        await asyncio.sleep(0.01)
        return await ENTITIES.read_body(client, entity_id)

    async def work() -> None:
        async with scene.worker() as worker:
            organization = Organization(worker.client, scene.warehouse)
            resource = replace(ENTITIES, read_body=read_body)
            async with landing(scene.warehouse, resource, organization) as lander:
                await Reader(worker.client, lander, 1, take).read([gone])

    run(work())

    (verdict,) = verdicts
    assert isinstance(verdict, Missing)
    assert verdict.resource_id == gone
    assert verdict.asked_at <= sent_at[0]
