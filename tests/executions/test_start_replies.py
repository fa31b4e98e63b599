"""Every reply to a start request: whether it may stand for a run, and that no run is bought twice.

pytestmark = pytest.mark.slow

History: a 503, a 429 and the answers of gateways (101, redirects, 408, 409, 425, 499) have come after the run was made,
while the list of runs lagged behind. Only an application's own refusal of the request says that no run exists.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import SecretStr

from linkt_pipeline.api import LinktClient, Throttle
from linkt_pipeline.api.start_reply import REFUSALS_BEFORE_WORK
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.errors import AmbiguousRunsError, NotStartedError, StartNotFoundError, StartRefusedError
from linkt_pipeline.executions.execute import Outcome, execute_tasks
from linkt_pipeline.executions.start import start_or_adopt
from linkt_pipeline.executions.worker import Timing
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.values import Execution, ExecutionState, Intention
from tests.api.raw_server import Request, answer
from tests.engines import WITH_EACH_ENGINE
from tests.paths import PROJECT_ROOT

from .front import Forward, Rule, first_start, in_front, is_start, redated
from .scene import TIMING, Scene, run, search

QUICK = replace(TIMING, settle=timedelta(milliseconds=250))
LAG = 0.15  # of the list, in seconds; well within the settle window
DETAIL = b'{"detail": "in the words of the application"}'
PAGE = b"<html><body><h1>in the words of a gateway</h1></body></html>"


@dataclass(frozen=True)
class Reply:
    """A first answer to a start request, and what follows when no run came of it."""

    status: int
    body: bytes = DETAIL
    then: str = "refused"  # "again": the request is sent once more; "asked": a person has to say what came of it
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def raw(self) -> bytes:
        return answer(self.body, self.status, **dict(self.headers))

    def __str__(self) -> str:
        kind = "json" if self.body == DETAIL else self.body[:24].decode("latin-1")
        return f"{self.status} {kind} {dict(self.headers) or ''}".strip()


UNCLEAR = [
    Reply(101, b"", "again"),
    *(Reply(status, b"") for status in (301, 302, 303, 304, 307, 308)),
    # Not in the application's words: a gateway does not know what happened behind it.
    *(Reply(status, PAGE) for status in (400, 401, 402, 403, 404, 422)),
    Reply(403, b""),
    Reply(404, b"[]"),
    # In its words, but these may be said of a request that has worked.
    *(Reply(status) for status in (405, 409, 410, 413, 418, 424, 499)),
    Reply(408, DETAIL, "again"),
    Reply(425, DETAIL, "again"),
    Reply(429, DETAIL, "again"),
    Reply(429, DETAIL, "again", (("retry_after", "0.05"),)),
    Reply(429, DETAIL, "again", (("retry_after", "0.4"),)),
    Reply(503, PAGE, "again"),
    Reply(503, DETAIL, "again", (("retry_after", "0.05"),)),
    Reply(503, DETAIL, "again", (("retry_after", "0.4"),)),
    *(Reply(status, PAGE, "again") for status in (500, 502, 504, 524, 599, 999)),
    # A success that does not say which run.
    Reply(204, b"", "asked"),
    Reply(200, b"", "asked"),
    Reply(200, PAGE, "asked"),
    Reply(201, b'{"id": "69d4c7925c41d0beef002a1c"}', "asked"),
    Reply(202, b'{"run_id": null}', "asked"),
    Reply(200, b'{"run_id": " "}', "asked"),
    Reply(200, b'{"run_id": "../task/x"}', "asked"),
    Reply(200, b'{"run_id": "69d4c7925c41d0beef002a1c\\n"}', "asked"),
]


def start(scene: Scene, rule: Rule, **changes: object) -> Execution | LinktPipelineError:
    async def work() -> Execution | LinktPipelineError:
        async with in_front(scene, rule) as server, scene.worker(url=server.url, timing=QUICK) as worker:
            try:
                async with worker.holding_leases():
                    return await start_or_adopt(worker, search(**changes))
            except LinktPipelineError as error:
                return error

    return run(work())


@pytest.mark.parametrize("reply", UNCLEAR, ids=str)
def test_a_run_made_before_an_unclear_reply_is_found_though_the_list_lags(scene: Scene, reply: Reply) -> None:
    scene.sandbox.inject(f"lagging_list={LAG}")

    started = start(scene, first_start(reply.raw, works=True))

    assert isinstance(started, Execution), started
    assert list(scene.sandbox.world.runs) == [started.run_id]
    assert (scene.posts(), scene.states()) == (1, ["started"])


@pytest.mark.parametrize("reply", UNCLEAR, ids=str)
def test_an_unclear_reply_without_a_run_is_looked_up_over_the_whole_window(scene: Scene, reply: Reply) -> None:
    begun = datetime.now(UTC)

    started = start(scene, first_start(reply.raw, works=False))

    assert datetime.now(UTC) - begun >= QUICK.settle
    assert scene.sandbox.world.requests.count("list_runs") >= 2
    if reply.then == "refused":
        assert isinstance(started, StartRefusedError)
        assert (scene.posts(), scene.states()) == (0, ["refused"])
        return
    if reply.then == "asked":
        assert isinstance(started, StartNotFoundError), started
        assert (scene.posts(), scene.states()) == (0, ["unknown"])
        return
    assert isinstance(started, Execution), started
    assert list(scene.sandbox.world.runs) == [started.run_id]
    assert (scene.posts(), scene.states()[-1]) == (1, "started")


def test_a_confirmed_start_is_sent_again_only_when_a_person_says_that_no_run_came_of_it(scene: Scene) -> None:
    """The list hides its run for longer than anybody looks."""
    scene.sandbox.inject("lagging_list=5")
    error = start(scene, first_start(answer(b"{}", 200), works=True))
    assert isinstance(error, StartNotFoundError)
    assert "linkt-pipeline adopt saas --none" in str(error)
    for _ in range(2):
        [outcome] = scene.execute(timing=replace(QUICK, settle=timedelta(milliseconds=50)))
        assert isinstance(outcome.error, StartNotFoundError), outcome
    assert (scene.posts(), scene.states()) == (1, ["unknown"])

    [found] = scene.execute(timing=replace(QUICK, settle=timedelta(seconds=6)))

    assert found.succeeded
    assert (scene.posts(), scene.states()) == (1, ["finished"])


def test_a_confirmed_start_that_a_person_denies_is_sent_again(scene: Scene) -> None:
    assert isinstance(start(scene, first_start(answer(b"{}", 200), works=False)), StartNotFoundError)
    task = search()
    scene.ledger.deny(Intention(task.key, task.task_id, task.icp_id, task.parameters))

    assert scene.execute(task)[0].succeeded
    assert (scene.posts(), scene.states()) == (1, ["lost", "finished"])


@pytest.mark.parametrize("status", REFUSALS_BEFORE_WORK)
def test_an_applications_refusal_is_final_at_once(scene: Scene, status: int) -> None:
    refused = start(scene, first_start(answer(DETAIL, status), works=False))

    assert isinstance(refused, StartRefusedError)
    assert (scene.posts(), scene.states()) == (0, ["refused"])
    assert scene.sandbox.world.requests.count("list_runs") == 0


def test_the_document_lists_the_statuses_that_are_final() -> None:
    text = (PROJECT_ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    section = text.split("### Which replies to a start count as no run")[1].split("\n## ")[0]

    for status, reason in REFUSALS_BEFORE_WORK.items():
        assert f"| {status} | {reason} |" in section
    assert section.count("\n| 4") == len(REFUSALS_BEFORE_WORK)


@pytest.mark.parametrize("status", [429, 503])
def test_each_of_many_unclear_replies_gets_its_window(scene: Scene, status: int) -> None:
    """The third request works, its reply does not say so, and the list lags."""
    scene.sandbox.inject(f"lagging_list={LAG}")
    replies = iter([(answer(DETAIL, status), works) for works in (False, False, True)])

    async def rule(request: Request, forward: Forward) -> bytes:
        if request.method != "POST":
            return await forward()
        raw, works = next(replies)
        if works:
            await forward()
        return raw

    started = start(scene, rule)

    assert isinstance(started, Execution), started
    assert list(scene.sandbox.world.runs) == [started.run_id]
    assert (scene.posts(), scene.states()) == (1, ["started"])


def test_later_beyond_max_wait_leaves_the_row_to_be_looked_up(scene: Scene) -> None:
    later = answer(DETAIL, 429, retry_after="3600")

    error = start(scene, first_start(later, works=True), max_wait="30s")

    assert isinstance(error, NotStartedError)
    assert "the next start looks for one" in str(error)
    assert scene.states() == ["unknown"]
    assert scene.execute(search())[0].succeeded
    assert (scene.posts(), scene.states()) == (1, ["finished"])


def test_a_pause_that_an_earlier_answer_ordered_closes_the_start_at_once(scene: Scene) -> None:
    """Nothing left this machine, so there is nothing to look for."""

    async def work() -> list[Outcome]:
        throttle = Throttle()
        throttle.pause(timedelta(hours=1))
        key = SecretStr(scene.sandbox.api_key)
        async with scene.worker() as worker, LinktClient(scene.sandbox.url, key, throttle=throttle) as client:
            return await execute_tasks(replace(worker, client=client), [search(max_wait="200ms")])

    [outcome] = run(work())

    assert isinstance(outcome.error, NotStartedError)
    assert "no run was started and nothing was spent" in str(outcome.error)
    assert (scene.states(), scene.posts()) == (["refused"], 0)


def test_an_outage_of_the_list_is_outwaited(scene: Scene) -> None:
    """The server that lost the reply is down for a moment; what is read after it counts."""
    scene.sandbox.inject("http_503=none@list_runs*12")

    started = start(scene, first_start(answer(PAGE, 503), works=True))

    assert isinstance(started, Execution), started
    assert (scene.posts(), scene.sandbox.run_count()) == (1, 1)


# --- clocks


def set_clock(scene: Scene, ahead: timedelta) -> None:
    """The times of the ledger's rows are from a clock that was so far ahead."""
    scene.edit("update linkt.executions set intended_at = intended_at + ?, lease_until = lease_until + ?", ahead, ahead)


def left_by_a_crash(scene: Scene, *, intended: timedelta) -> str:
    """A run whose reply no process lived to read; the row's times are so far from those of this machine's clock."""
    task = search()
    owner = Owner("crashed")
    scene.ledger.claim(Intention(task.key, task.task_id, task.icp_id, task.parameters), owner)
    run_id = scene.sandbox.world.execute(task.task_id, task.icp_id, dict(task.parameters)).id
    scene.ledger.release(owner)
    set_clock(scene, intended)
    return run_id


@pytest.mark.parametrize("hours", [2, 23])
def test_a_restart_with_a_clock_set_back_finds_the_run(scene: Scene, hours: int) -> None:
    """Linkt's clock and the row agree; this machine's clock is hours behind both by now."""
    scene.sandbox.inject(f"clock_skew={hours * 3600}")
    run_id = left_by_a_crash(scene, intended=timedelta(hours=hours))

    started = start(scene, first_start(b"", works=False))

    assert isinstance(started, Execution), started
    assert (started.run_id, scene.sandbox.run_count()) == (run_id, 1)


def dated(change: Callable[[datetime], datetime]) -> Rule:
    """Linkt tells its time, and loses the reply to the first start."""
    lost = first_start(answer(PAGE, 502), works=True)

    async def rule(request: Request, forward: Forward) -> bytes:
        return redated(await lost(request, forward), format_datetime(change(datetime.now(UTC)), usegmt=True))

    return rule


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_is_hours_off_linkts_is_known_by_the_date_of_its_answers(scene: Scene, hours: int) -> None:
    scene.sandbox.inject(f"clock_skew={hours * 3600}")

    started = start(scene, dated(lambda now: now + timedelta(hours=hours)))

    assert isinstance(started, Execution), started
    assert (scene.posts(), scene.sandbox.run_count()) == (1, 1)


@pytest.mark.parametrize("hours", [-20, -5, 5, 20])
def test_a_clock_that_is_set_right_after_the_start_hides_no_run(scene: Scene, hours: int) -> None:
    """The machine's clock was hours off when the start was sent, and is right when the next process looks."""
    off = timedelta(hours=hours)
    start_and_die(scene, date=format_datetime(datetime.now(UTC) - off, usegmt=True))
    set_clock(scene, off)  # until now Linkt's clock was off by the other way round

    [outcome] = scene.execute()

    assert outcome.succeeded
    assert (scene.posts(), scene.sandbox.run_count(), scene.states()) == (1, 1, ["finished"])


@pytest.mark.parametrize("date", [None, "yesterday, or so", "Thu, 01 Jan 1970 00:00:00 GMT"])
@pytest.mark.parametrize("hours", [-20, 3])
def test_without_a_time_to_go_by_a_run_of_another_hour_is_asked_about(
    scene: Scene, date: str | None, hours: int
) -> None:
    """Nobody can say how far the clock was off, so neither is that run taken nor another one bought."""
    start_and_die(scene, date=date)
    off = timedelta(hours=hours)
    set_clock(scene, off)

    [outcome] = scene.execute()

    assert isinstance(outcome.error, AmbiguousRunsError)
    assert (scene.posts(), scene.sandbox.run_count(), scene.states()) == (1, 1, ["unknown"])


def test_without_a_time_to_go_by_a_run_of_the_same_minutes_is_adopted(scene: Scene) -> None:
    start_and_die(scene, date=None)

    [outcome] = scene.execute()

    assert outcome.succeeded
    assert (scene.posts(), scene.sandbox.run_count(), scene.states()) == (1, 1, ["finished"])


def start_and_die(scene: Scene, date: str | None) -> None:
    """The request for a run works; who sent it does not live to see the answer."""
    sent = asyncio.Event()

    async def rule(request: Request, forward: Forward) -> bytes:
        reply = redated(await forward(), date)
        if is_start(request):
            sent.set()
            await asyncio.sleep(1)
        return reply

    async def work() -> None:
        async with in_front(scene, rule) as server, scene.worker(url=server.url, owner=Owner("crashed")) as worker:
            starting = asyncio.create_task(start_or_adopt(worker, search()))
            await sent.wait()
            starting.cancel()
            await asyncio.wait([starting])
            await worker.release_leases()

    run(work())
    assert scene.states() == ["intended"]


@pytest.mark.parametrize("years", [-50, 50])
def test_a_date_that_can_not_be_true_changes_nothing(scene: Scene, years: int) -> None:
    started = start(scene, dated(lambda now: now.replace(year=now.year + years, day=1)))

    assert isinstance(started, Execution), started
    assert (scene.posts(), scene.sandbox.run_count()) == (1, 1)


# --- a row that holds what is no run id


@pytest.mark.parametrize("run_id", ["../task/x", " ", "", "x" * 65, None])
@pytest.mark.parametrize("exists", [True, False])
def test_a_started_row_without_a_usable_run_id_is_looked_up(scene: Scene, run_id: str | None, exists: bool) -> None:
    """An older version believed any reply."""
    first = start(scene, first_start(answer(PAGE, 502), works=True))
    assert isinstance(first, Execution)
    scene.edit("update linkt.executions set run_id = ?", run_id)
    if not exists:
        scene.sandbox.world.own.remove("run", str(first.run_id))

    started = start(scene, first_start(b"", works=False))

    assert scene.posts() == 1
    if exists:
        assert isinstance(started, Execution), started
        assert list(scene.sandbox.world.runs) == [started.run_id]
    else:
        assert isinstance(started, StartNotFoundError), started


@WITH_EACH_ENGINE
def test_a_started_row_without_a_usable_run_id_can_be_adopted_for(scene: Scene) -> None:
    first = start(scene, first_start(answer(PAGE, 502), works=True))
    assert isinstance(first, Execution)
    scene.edit("update linkt.executions set run_id = '../task/x', lease_owner = null")
    task = search()

    adopted = scene.ledger.adopt(Intention(task.key, task.task_id, task.icp_id, task.parameters), str(first.run_id))

    assert (adopted.state, adopted.run_id) == (ExecutionState.STARTED, first.run_id)
    assert scene.execute(task)[0].succeeded


def test_the_window_of_production_is_a_minute() -> None:
    assert Timing().settle == timedelta(seconds=60)
