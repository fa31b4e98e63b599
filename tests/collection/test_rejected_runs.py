"""Runs that can't be used: each is kept with its reason, keeps no other back, and lets nothing be bought blindly."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from linkt_pipeline.api import LinktClient, Run
from linkt_pipeline.collection.reference import ReferenceCounts, refresh_reference_data
from linkt_pipeline.collection.runs import Collected, collect_runs
from linkt_pipeline.executions.errors import RunNotLandedError
from tests.api.raw_server import Request, answer, client_for, serving
from tests.engines import WITH_EACH_ENGINE
from tests.executions.scene import Scene, run, search

NOW = "2026-11-20T10:00:00Z"
HUGE = 2**70


def body_of(run_id: str, **more: Any) -> bytes:
    return json.dumps({"id": run_id, "status": "COMPLETED", "created_at": NOW, "updated_at": NOW} | more).encode()


class Linkt:
    """An API that knows some runs by their bytes, and lists them."""

    def __init__(self, **runs: bytes) -> None:
        self.runs = runs
        self.lists: dict[str, bytes] = {}
        self.reads: list[str] = []

    async def __call__(self, request: Request, writer: Any) -> None:
        self.reads.append(request.path)
        kind, _, rest = request.path.removeprefix("/v1/").partition("/")
        if kind == "run" and rest:
            body = self.runs.get(rest)
            writer.write(answer(body) if body is not None else answer(b'{"detail": "no such run"}', 404))
        elif kind == "run":
            query = dict(request.query)
            page, size = int(query["page"]), int(query["page_size"])
            rows = b",".join(list(self.runs.values())[(page - 1) * size : page * size])
            listed = b'{"runs": [%s], "total": %d, "page": %d, "page_size": %d}'
            writer.write(answer(listed % (rows, len(self.runs), page, size)))
        else:
            writer.write(answer(self.lists.get(kind, b'{"%ss": [], "total": 0, "page": 1}' % kind.encode())))


def collect(scene: Scene, linkt: Linkt, **options: Any) -> Collected:
    async def work() -> Collected:
        async with serving(linkt) as server, client_for(server, max_body=200_000) as client:
            return await collect_runs(client, scene.warehouse, since=datetime(2026, 11, 1, tzinfo=UTC), **options)

    return run(work())


def refresh(scene: Scene, linkt: Linkt) -> ReferenceCounts:
    async def work() -> ReferenceCounts:
        async with serving(linkt) as server, client_for(server, max_body=200_000) as client:
            return await refresh_reference_data(client, scene.warehouse)

    return run(work())


def landed(scene: Scene) -> set[str]:
    return {run_id for (run_id,) in scene.query("select run_id from linkt.runs")}


def rejects(scene: Scene) -> dict[str, str]:
    return dict(scene.query("select resource_id, reason from linkt.rejects"))


def test_integers_beyond_64_bits_stay_as_they_were_sent(scene: Scene) -> None:
    linkt = Linkt(a=body_of("a"), b=body_of("b", input={"parameters": {"seed": HUGE, "rate": 1.10}}))

    done = collect(scene, linkt)

    assert sorted(done.landed) == ["a", "b"]
    assert scene.query("select input ->> '$.parameters.seed' from linkt.runs where run_id = 'b'") == [(str(HUGE),)]


UNUSABLE = {
    "a number beyond a float": (body_of("b", input={"x": "@"}).replace(b'"@"', b"1e999"), False),
    "NaN": (body_of("b", x=float("nan")), True),
    "nested ten thousand deep": (body_of("b", x="@").replace(b'"@"', b"[" * 10_000 + b"]" * 10_000), True),
    "five thousand digits": (body_of("b", x="@").replace(b'"@"', b"9" * 5_000), True),
    "larger than what is read": (body_of("b", x="y" * 250_000), False),
}


@pytest.mark.parametrize(("body", "is_asked_again"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_run_that_can_not_be_used_is_kept_and_the_others_land(
    scene: Scene, body: bytes, is_asked_again: bool
) -> None:
    linkt = Linkt(a=body_of("a"), b=body, c=body_of("c"))

    first = collect(scene, linkt)
    reads = len([path for path in linkt.reads if path == "/v1/run/b"])
    second = collect(scene, linkt)
    reads_again = len([path for path in linkt.reads if path == "/v1/run/b"]) - reads

    assert landed(scene) >= {"a", "c"}
    assert sorted(first.landed) in (["a", "c"], ["a", "b", "c"])
    if "b" not in first.landed:
        assert list(rejects(scene)) == ["b"]
        assert bool(reads_again) is is_asked_again
        assert ("b" in second.unfinished) is is_asked_again


@pytest.mark.parametrize(("body", "_"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_the_next_good_body_lands_and_clears_the_reject(scene: Scene, body: bytes, _: bool) -> None:
    linkt = Linkt(a=body_of("a"), b=body)
    collect(scene, linkt)
    linkt.runs["b"] = body_of("b")

    collect(scene, linkt, retry_rejected=True)

    assert landed(scene) == {"a", "b"}
    assert rejects(scene) == {}


def test_a_row_of_the_list_that_shows_no_id_is_kept_once(scene: Scene) -> None:
    linkt = Linkt(a=body_of("a"))
    linkt.runs["nameless"] = b'{"status": "COMPLETED"}'
    collect(scene, linkt)

    collect(scene, linkt)

    assert landed(scene) == {"a"}
    [(name, reason)] = rejects(scene).items()
    assert name.startswith("unreadable-")
    assert reason == "Field required"


def test_rows_of_reference_data_are_rejected_one_by_one(scene: Scene) -> None:
    linkt = Linkt()
    linkt.lists["task"] = b'{"tasks": [{"id": "t1", "task_config": {"n": %d}}, {"id": "t2", "x": NaN}, {"name": "none"}]}' % HUGE  # fmt: skip # noqa: E501
    linkt.lists["sheet"] = b'{"sheets": [{"id": "s1", "entity_schema": {"n": %d}}], "total": 1}' % HUGE
    linkt.lists["icp"] = b"<html>"

    counts = refresh(scene, linkt)

    assert (counts.tasks, counts.sheets, counts.rejected, len(counts.failures)) == (1, 1, 2, 1)
    assert scene.query("select task_config ->> '$.n' from linkt.tasks") == [(str(HUGE),)]
    assert scene.query("select entity_schema ->> '$.n' from linkt.sheets") == [(str(HUGE),)]
    kinds = scene.query("select resource_type, resource_id from linkt.rejects order by all")
    assert [(kind, name.startswith("unreadable-")) for kind, name in kinds] == [("task", False), ("task", True)]

    linkt.lists["task"] = b'{"tasks": [{"id": "t1"}, {"id": "t2"}]}'
    assert refresh(scene, linkt).rejected == 0
    assert rejects(scene) == {}


# --- a run of ours


@contextmanager
def bodies_of_runs(monkeypatch: pytest.MonkeyPatch, change: Callable[[Run], Run]) -> Iterator[None]:
    """Single reads of runs give another body, once the run has ended."""
    original: Callable[..., Awaitable[Run]] = LinktClient.get_run

    async def get_run(self: LinktClient, run_id: str, **options: Any) -> Run:
        seen = await original(self, run_id, **options)
        return change(seen) if seen.status.is_terminal else seen

    with monkeypatch.context() as patch:
        patch.setattr(LinktClient, "get_run", get_run)
        yield


def unstorable(seen: Run) -> Run:
    return seen.model_copy().read_from(seen.payload[:-1] + ',"x":"\\ud800"}', seen.document or {})


def test_a_run_of_ours_that_can_not_be_landed_stops_buying_for_its_task(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bodies_of_runs(monkeypatch, unstorable):
        outcomes = [scene.execute()[0] for _ in range(3)]
        assert {type(outcome.error) for outcome in outcomes} == {RunNotLandedError}
        assert (scene.posts(), scene.states()) == (1, ["started"])
        assert list(rejects(scene)) == [scene.rows()[0].run_id]

    landing = scene.execute()[0]

    assert landing.succeeded
    assert (scene.posts(), scene.states(), rejects(scene)) == (1, ["finished"], {})


@WITH_EACH_ENGINE
def test_a_run_of_ours_that_is_given_up_makes_room_for_another(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with bodies_of_runs(monkeypatch, unstorable):
        scene.execute()
    run_id = str(scene.rows()[0].run_id)

    given_up = scene.ledger.give_up(run_id)

    assert given_up is not None
    assert given_up.task_key == search().key
    assert scene.ledger.give_up(run_id) is None
    assert scene.execute()[0].succeeded
    assert (scene.posts(), scene.states()) == (2, ["finished", "finished"])


def test_only_a_rejected_run_can_be_given_up(scene: Scene) -> None:
    scene.execute()

    assert scene.ledger.give_up(str(scene.rows()[0].run_id)) is None
