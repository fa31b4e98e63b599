"""What a start request can come to, and what it costs: sent again, looked up, or refused.

The table is the promise "never pay twice": whatever the answer, there is one run, or none when the API refused.
"""

import asyncio
import os
import re
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from linkt_pipeline.api import InvalidRequestError
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions import held_leases
from linkt_pipeline.executions.errors import NotStartedError, StartNotFoundError, StartRefusedError, UnreachableError
from linkt_pipeline.executions.held_leases import HeldLeases
from linkt_pipeline.executions.start import start_or_adopt
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger import duckdb_store
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.values import Execution, ExecutionState, Intention, LeaseLostError
from linkt_pipeline.warehouse.errors import WarehouseBusyError
from tests.api.raw_server import never_accepting
from tests.engines import OF_A_FILE, WITH_EACH_ENGINE, WITH_EACH_LEDGER

from .scene import BOUND, TIMING, Scene, run, search, until

SENT_AGAIN = "sent again"
LOOKED_UP = "looked up"
LOOKED_UP_THEN_SENT = "looked up in vain, sent again"
REFUSED = "refused"


@dataclass(frozen=True)
class Case:
    """A fault of the first start request, and what follows from it."""

    fault: str
    then: str

    @property
    def posts(self) -> int:
        return 2 if self.then in (SENT_AGAIN, LOOKED_UP_THEN_SENT) else 1

    @property
    def runs(self) -> int:
        return 0 if self.then == REFUSED else 1

    @property
    def states(self) -> list[str]:
        return {
            SENT_AGAIN: ["started"],
            LOOKED_UP: ["started"],
            LOOKED_UP_THEN_SENT: ["lost", "started"],
            REFUSED: ["refused"],
        }[self.then]


CASES = [
    # The request was read and not wanted.
    Case("http_400@execute", REFUSED),
    Case("http_401@execute", REFUSED),
    Case("http_402@execute", REFUSED),
    Case("http_403@execute", REFUSED),
    Case("http_404@execute", REFUSED),
    Case("http_422@execute", REFUSED),
    # Answers of every other kind, with and without a run behind them, are in test_start_replies.py.
    Case("http_408@execute", LOOKED_UP_THEN_SENT),
    Case("http_409@execute", REFUSED),
    # Not now; looked up before it is sent again.
    Case("http_429=0.1@execute", SENT_AGAIN),
    Case("http_429=date:1@execute", SENT_AGAIN),
    Case("http_429=none@execute", SENT_AGAIN),
    Case("http_503=0.1@execute", SENT_AGAIN),
    Case("http_503=date:1@execute", SENT_AGAIN),
    Case("http_503=none@execute", SENT_AGAIN),
    # Something went wrong over there, before any work: only the list of runs can tell.
    Case("http_500@execute", LOOKED_UP_THEN_SENT),
    Case("http_502@execute", LOOKED_UP_THEN_SENT),
    Case("http_504@execute", LOOKED_UP_THEN_SENT),
    Case("http_599@execute", LOOKED_UP_THEN_SENT),
    Case("reset@execute", LOOKED_UP_THEN_SENT),
    Case("hang=0.8@execute", LOOKED_UP_THEN_SENT),
    # The run was started, and the answer does not say so.
    Case("lost_reply", LOOKED_UP),
    Case("late_reply=0.8", LOOKED_UP),
    Case("cut_body=0.5@execute", LOOKED_UP),
    Case("cut_body=0@execute", LOOKED_UP),
    Case("error_after_work=500", LOOKED_UP),
    Case("error_after_work=502", LOOKED_UP),
    Case("error_after_work=503", LOOKED_UP),
    Case("error_after_work=504", LOOKED_UP),
    Case("malformed_body=truncated@execute", LOOKED_UP),
    Case("malformed_body=empty@execute", LOOKED_UP),
    Case("malformed_body=html@execute", LOOKED_UP),
    Case("malformed_body=list@execute", LOOKED_UP),
    Case("malformed_body=missing_id@execute", LOOKED_UP),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.fault} -> {case.then}")
def test_a_start_request_comes_to_one_run_or_none(scene: Scene, case: Case) -> None:
    fault = scene.sandbox.inject(case.fault)

    started = start(scene)

    assert fault.fired == 1
    run(until(lambda: scene.posts() >= case.posts))  # a late reply is logged when it leaves
    assert scene.posts() == case.posts
    assert scene.sandbox.run_count() == case.runs
    assert scene.states() == case.states
    if case.then == REFUSED:
        assert isinstance(started, StartRefusedError)
        assert started.exit_code == 2
        return
    assert isinstance(started, Execution)
    assert started.run_id in scene.sandbox.world.runs


def start(scene: Scene, **changes: object) -> Execution | LinktPipelineError:
    async def work() -> Execution | LinktPipelineError:
        async with scene.worker() as worker:
            try:
                async with worker.holding_leases():
                    return await start_or_adopt(worker, search(**changes))
            except LinktPipelineError as error:
                return error

    return run(work())


@WITH_EACH_LEDGER
def test_the_intention_is_written_down_before_the_request_and_the_run_id_right_after(scene: Scene) -> None:
    scene.sandbox.inject("late_reply=0.3")

    async def work() -> None:
        async with scene.worker() as worker:
            starting = asyncio.create_task(start_or_adopt(worker, search()))
            await until(lambda: scene.sandbox.run_count() == 1)
            assert scene.states() == ["intended"]
            started = await starting
            assert scene.rows() == [started]

    run(work())
    (row,) = scene.rows()
    assert (row.state, row.run_status) == (ExecutionState.STARTED, "SCHEDULED")
    assert row.parameters == {"num_results": 2}


def test_what_was_refused_says_which_field(scene: Scene) -> None:
    error = start(scene, parameters={"num_results": "many"})

    assert isinstance(error, StartRefusedError)
    assert "num_results" in str(error)
    assert scene.states() == ["refused"]


def test_a_wrong_key_is_refused_without_a_run(scene: Scene) -> None:
    async def work() -> None:
        async with scene.worker(api_key="sk-wrong") as worker:
            await start_or_adopt(worker, search())

    with pytest.raises(StartRefusedError, match="401"):
        run(work())
    assert (scene.sandbox.run_count(), scene.states()) == (0, ["refused"])


def test_after_a_refusal_the_next_start_is_a_new_one(scene: Scene) -> None:
    scene.sandbox.inject("http_403@execute")
    start(scene)

    started = start(scene)

    assert isinstance(started, Execution)
    assert scene.states() == ["refused", "started"]


def test_a_request_that_never_gets_through_is_given_up(scene: Scene) -> None:
    """Not for ever: each look costs a settle window, and each row of the ledger asks to be explained."""
    scene.sandbox.inject("http_500@execute*0")

    error = start(scene)

    assert isinstance(error, NotStartedError)
    assert (scene.posts(), scene.sandbox.run_count()) == (3, 0)
    assert scene.states() == ["lost"] * 3
    assert "500" in str(scene.rows()[0].last_error)


def test_later_is_waited_for_no_longer_than_max_wait(scene: Scene) -> None:
    scene.sandbox.inject("http_429=3600@execute*0")

    error = start(scene, max_wait="500ms")

    assert isinstance(error, NotStartedError)
    assert (scene.posts(), scene.states()) == (1, ["unknown"])


def test_unavailable_beyond_max_wait_leaves_the_row_to_be_looked_up(scene: Scene) -> None:
    scene.sandbox.inject("error_after_work=503")
    error = start(scene, max_wait="1ms")
    assert isinstance(error, NotStartedError)
    assert scene.states() == ["unknown"]

    later = start(scene)

    assert isinstance(later, Execution)
    assert (scene.posts(), scene.sandbox.run_count()) == (1, 1)


# --- failures below HTTP


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("kind", ["refused", "name not found", "no TLS there", "handshake unanswered"])
def test_a_host_that_can_not_be_reached_is_told_soon_and_costs_nothing(scene: Scene, kind: str) -> None:
    async def work() -> None:
        with never_accepting() as unanswered:
            url = {
                "refused": f"http://127.0.0.1:{unused_port()}",
                "name not found": "http://no-such-host.invalid",
                "no TLS there": scene.sandbox.url.replace("http:", "https:"),
                "handshake unanswered": unanswered,
            }[kind]
            async with scene.worker(url=url) as worker:
                await start_or_adopt(worker, search())

    with pytest.raises(UnreachableError, match="can't be reached") as caught:
        run(work())

    assert caught.value.exit_code == 2
    assert (scene.posts(), scene.states()) == (0, ["refused"])


def test_a_handshake_that_is_answered_in_the_end_starts_one_run(scene: Scene) -> None:
    """The connect timeout passed and no byte had left: the request is sent again, and nothing is looked up."""

    async def work() -> Execution:
        with never_accepting() as unanswered:
            timing = replace(TIMING, unreachable=timedelta(seconds=5))
            async with scene.worker(url=unanswered, timing=timing) as worker:
                starting = asyncio.create_task(start_or_adopt(worker, search()))
                await until(lambda: "not started yet" in scene.texts)
                worker.client._transport._base_url = scene.sandbox.url
                return await starting

    assert run(work()).run_id in scene.sandbox.world.runs
    assert (scene.posts(), scene.states()) == (1, ["started"])
    assert scene.sandbox.world.requests.count("list_runs") == 0


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def in_front_of(scene: Scene, answer: Answer) -> AsyncIterator[str]:
    """A server that treats the first start request its own way and passes all else through to the sandbox.

    A start request comes on a connection of its own, the second: on the first one Linkt's time was asked for.
    """
    host, port = scene.sandbox.url.removeprefix("http://").split(":")
    connections = 0

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 2:
            await answer(reader, writer)
            writer.close()
            return
        behind_reader, behind_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pipe(reader, behind_writer), pipe(behind_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def close_unread(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del reader, writer


async def close_when_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def say_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x00\x01\x02 not http\r\n\r\n")
    await writer.drain()


async def start_a_reply_and_stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(1.5)


@pytest.mark.parametrize("answer", [close_unread, close_when_read, say_nonsense, start_a_reply_and_stall])
def test_a_connection_that_breaks_is_looked_up_before_anything_is_sent_again(scene: Scene, answer: Answer) -> None:
    async def work() -> Execution:
        async with in_front_of(scene, answer) as url, scene.worker(url=url) as worker:
            return await start_or_adopt(worker, search())

    started = run(work())

    assert started.state is ExecutionState.STARTED
    assert scene.states() == ["lost", "started"]
    assert scene.sandbox.run_count() == 1
    assert scene.sandbox.world.requests.count("list_runs") >= 2  # more than one look: lists may lag


@WITH_EACH_LEDGER
@pytest.mark.parametrize("spell", [str.lower, str.upper], ids=["as it is", "in another spelling"])
def test_a_reply_with_the_run_of_another_execution_is_looked_up(scene: Scene, spell: Callable[[str], str]) -> None:
    """A cache or a gateway answers with what it said to somebody else: one run is one row."""
    first = start(scene, key="first")
    assert isinstance(first, Execution)
    body = f'{{"run_id": "{spell(str(first.run_id))}", "status": "SCHEDULED"}}'.encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    async def work() -> None:
        async with in_front_of(scene, answer) as url, scene.worker(url=url) as worker:
            await start_or_adopt(worker, search(key="second"))

    with pytest.raises(StartNotFoundError):
        run(work())

    assert scene.states() == ["started", "unknown"]
    assert list(scene.sandbox.world.runs) == [first.run_id]
    assert "names another's run" in scene.texts


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_the_key_does_not_travel(scene: Scene, status: int) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            f"HTTP/1.1 {status} Elsewhere\r\nlocation: {scene.sandbox.url}/v1/task/x/execute\r\n"
            "content-length: 0\r\nconnection: close\r\n\r\n".encode()
        )
        await writer.drain()

    async def work() -> None:
        async with in_front_of(scene, redirect) as url, scene.worker(url=url) as worker:
            await start_or_adopt(worker, search())

    with pytest.raises(StartRefusedError):
        run(work())
    assert (scene.posts(), scene.states()) == (0, ["refused"])


# --- crashes between the steps: what the next process finds


@pytest.mark.parametrize("reached_the_server", [True, False])
@pytest.mark.parametrize("state", [ExecutionState.INTENDED, ExecutionState.UNKNOWN])
@WITH_EACH_ENGINE
def test_what_a_crash_around_the_request_left_is_looked_up(
    scene: Scene, state: ExecutionState, reached_the_server: bool
) -> None:
    task = search()
    left = scene.ledger.claim(intention(), Owner("crashed")).execution
    if reached_the_server:
        run_id = scene.sandbox.world.execute(task.task_id, task.icp_id, dict(task.parameters)).id
    if state is ExecutionState.UNKNOWN:
        scene.ledger.mark_unknown(left.execution_id, Owner("crashed"), error="no reply")
    scene.ledger.release(Owner("crashed"))

    started = start(scene)

    assert isinstance(started, Execution)
    assert scene.sandbox.run_count() == 1
    if reached_the_server:
        assert (started.run_id, started.execution_id) == (run_id, left.execution_id)
        assert (scene.posts(), scene.states()) == (0, ["started"])
        assert "adopted run" in scene.texts
    else:
        assert (scene.posts(), scene.states()) == (1, ["lost", "started"])


def intention(**changes: object) -> Intention:
    task = search(**changes)
    return Intention(task.key, task.task_id, task.icp_id, task.parameters)


@WITH_EACH_LEDGER
def test_a_started_run_is_adopted_without_a_request(scene: Scene) -> None:
    first = start(scene)
    assert isinstance(first, Execution)

    second = start(scene)

    assert isinstance(second, Execution)
    assert second.run_id == first.run_id
    assert scene.posts() == 1
    assert "nothing was bought" in scene.texts


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"parameters": {"num_results": 5}}, "num_results: 2 instead of 5"),
        ({"parameters": {}}, "num_results: 2 instead of nothing"),
        ({"parameters": {"num_results": 2, "deep": True}}, "deep: nothing instead of true"),
        ({"icp_id": None}, "icp_id: .* instead of null"),
        ({"parameters": {"num_results": 2.0}}, None),
        ({}, None),
    ],
)
def test_a_run_of_other_settings_is_adopted_and_told(
    scene: Scene, changes: dict[str, object], told: str | None
) -> None:
    first = start(scene)
    assert isinstance(first, Execution)

    second = start(scene, **changes)

    assert isinstance(second, Execution)
    assert (second.run_id, scene.posts()) == (first.run_id, 1)
    warnings = [event.text for event in scene.events if event.is_warning]
    if told is None:
        assert warnings == []
        return
    (warning,) = warnings
    assert re.search(rf"run {first.run_id} was started with other settings .*\({told}\)", warning)


@WITH_EACH_ENGINE
def test_a_request_sent_long_after_the_intention_is_found_after_a_crash(scene: Scene) -> None:
    """A server said "later" for an hour; the request that got through left no reply."""
    task, owner = search(), Owner("crashed")
    left = scene.ledger.claim(intention(), owner).execution
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    scene.edit("update linkt.executions set intended_at = ?", hour_ago)
    run_id = scene.sandbox.world.execute(task.task_id, task.icp_id, dict(task.parameters)).id
    scene.ledger.mark_unknown(left.execution_id, owner, error="no reply")
    scene.ledger.release(owner)

    started = start(scene)

    assert isinstance(started, Execution)
    assert (started.run_id, scene.posts()) == (run_id, 0)


def set_ledgers_clock(patch: pytest.MonkeyPatch, by: timedelta) -> None:
    """The ledger writes other times than this process would."""
    patch.setattr(duckdb_store, "_now", lambda: datetime.now(UTC) + by)


@pytest.mark.parametrize("ledgers_clock", [timedelta(0), timedelta(hours=1)], ids=["", "ledger's clock ahead"])
def test_a_process_that_slept_longer_than_its_lease_sends_nothing(
    scene: Scene, ledgers_clock: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was suspended between the intention and the request; meanwhile another process may have taken over."""
    set_ledgers_clock(monkeypatch, ledgers_clock)

    async def work() -> None:
        async with scene.worker(lease=timedelta(milliseconds=900)) as worker:
            scene.sandbox.inject("http_429=1@execute")  # the pause stands for the sleep
            await start_or_adopt(worker, search())

    with pytest.raises(LeaseLostError, match="starts nothing"):
        run(work())
    assert scene.sandbox.run_count() == 0


def test_a_ledger_whose_clock_is_behind_stops_no_start(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_ledgers_clock(monkeypatch, -timedelta(minutes=5))

    started = start(scene)

    assert isinstance(started, Execution)
    assert (started.state, scene.posts()) == (ExecutionState.STARTED, 1)


def test_a_lease_is_certain_for_so_long_after_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(held_leases, "seconds_since_boot", lambda: now)
    leases = HeldLeases()
    leases.confirm(["a", "b"], asked_at=100.0)
    leases.confirm(["b"], asked_at=130.0)
    leases.confirm(["b"], asked_at=110.0)  # an answer that was overtaken

    now = 139.9
    assert [leases.hold(each, timedelta(seconds=40)) for each in "abc"] == [True, True, False]
    now = 140.0
    assert [leases.hold(each, timedelta(seconds=40)) for each in "abc"] == [False, True, False]
    now = 170.0
    assert not leases.hold("b", timedelta(seconds=40))


def test_leases_are_got_and_renewed_in_time_behind_the_calls_of_a_thousand_tasks(scene: Scene) -> None:
    lease = timedelta(seconds=2)

    async def work() -> None:
        async with scene.worker(lease=lease) as worker, worker.holding_leases():
            async with busy(worker):
                claiming = asyncio.create_task(worker.claim(intention()))
                await asyncio.sleep(lease.total_seconds() * 0.7)
            execution = (await claiming).execution
            worker.require_lease(execution)
            async with busy(worker):
                await asyncio.sleep(lease.total_seconds() * 1.3)
                worker.require_lease(execution)

    run(work())


@asynccontextmanager
async def busy(worker: Worker) -> AsyncIterator[None]:
    """Every thread for the calls of a worker has something to do meanwhile, and much more waits."""
    let_go = threading.Event()
    calls = [asyncio.create_task(worker.call(let_go.wait, BOUND)) for _ in range(200)]
    await asyncio.sleep(0)
    try:
        yield
    finally:
        let_go.set()
        await asyncio.gather(*calls)


@OF_A_FILE  # to attach a lake may take longer than its lease
def test_a_renewal_that_comes_before_the_request_does_not_hide_that_the_row_is_lost(scene: Scene) -> None:
    """Waking up, the process renews its leases first; the one it needs is no longer among them."""

    async def work() -> None:
        async with scene.worker(lease=timedelta(milliseconds=900)) as worker, worker.holding_leases():
            scene.sandbox.inject("http_429=1.5@execute")
            starting = asyncio.create_task(start_or_adopt(worker, search()))
            await until(lambda: scene.states() == ["unknown"])
            scene.edit("update linkt.executions set lease_owner = 'another', lease_until = now() + interval '1 hour'")
            await starting

    with pytest.raises(LeaseLostError, match="starts nothing"):
        run(work())
    assert scene.sandbox.run_count() == 0


@WITH_EACH_LEDGER
def test_a_full_disk_does_not_lose_the_id_of_a_paid_run(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> Execution:
        async with scene.worker() as worker:
            remember, failures = worker.ledger.mark_started, iter([LinktPipelineError("disk full")] * 2)

            def fail_twice(*args: object, **kwargs: object) -> Execution:
                if (error := next(failures, None)) is not None:
                    raise error
                return remember(*args, **kwargs)  # type: ignore[arg-type]

            monkeypatch.setattr(worker.ledger, "mark_started", fail_twice)
            return await start_or_adopt(worker, search())

    assert run(work()).run_id in scene.sandbox.world.runs
    assert scene.posts() == 1
    assert "exists but can't be written down yet: disk full" in scene.texts


def test_a_days_budget_that_is_used_up_refuses_without_a_request(scene: Scene) -> None:
    class BudgetUsedUpError(LinktPipelineError):
        pass

    def refuse() -> float:
        raise BudgetUsedUpError("no requests left today")

    async def work() -> None:
        async with scene.worker() as worker:
            worker.client.throttle._gate = refuse
            await start_or_adopt(worker, search())

    with pytest.raises(NotStartedError, match="nothing was spent: no requests left today"):
        run(work())
    assert (scene.posts(), scene.states()) == (0, ["refused"])


# --- two at once


@WITH_EACH_LEDGER
def test_a_second_worker_follows_the_first_and_gets_its_run(scene: Scene) -> None:
    async def work() -> list[Execution]:
        async with scene.worker() as first, scene.worker() as second:
            mine = await start_or_adopt(first, search())
            following = asyncio.create_task(start_or_adopt(second, search()))
            await until(lambda: "following it" in scene.texts)
            await first.call(first.ledger.release, first.owner)
            return [mine, await following]

    mine, theirs = run(work())

    assert mine.run_id == theirs.run_id
    assert scene.posts() == 1


def test_a_follower_outwaits_a_busy_warehouse(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A BI tool opened it for hours, once the leader has what it needs."""

    async def work() -> list[Execution]:
        async with scene.worker() as first, scene.worker() as second:
            mine = await start_or_adopt(first, search())
            busy = iter([WarehouseBusyError("held by a BI tool")] * 3)
            read = second.ledger.look

            def look(execution_id: str) -> tuple[Execution, bool]:
                for error in busy:
                    raise error
                return read(execution_id)

            monkeypatch.setattr(second.ledger, "look", look)
            following = asyncio.create_task(start_or_adopt(second, search()))
            await until(lambda: "the warehouse is busy, still waiting: held by a BI tool" in scene.texts)
            await first.call(first.ledger.release, first.owner)
            return [mine, await following]

    mine, theirs = run(work())

    assert mine.run_id == theirs.run_id
    assert scene.texts.count("the warehouse is busy") == 1  # said once, not at every look
    assert f"another process (PID {os.getpid()} on {socket.gethostname()})" in scene.texts


def test_a_follower_gives_the_row_no_second_start_when_the_first_worker_was_refused(scene: Scene) -> None:
    """The refusal is final for the row; the follower asks for itself, and gets its own answer."""
    scene.sandbox.inject("http_403@execute*0")

    async def work() -> list[object]:
        async with scene.worker() as first, scene.worker() as second:
            return await asyncio.gather(
                start_or_adopt(first, search()), start_or_adopt(second, search()), return_exceptions=True
            )

    assert all(isinstance(error, StartRefusedError) for error in run(work()))
    assert scene.sandbox.run_count() == 0


def test_the_error_of_a_refusal_hides_nothing_of_the_tree(scene: Scene) -> None:
    """The client names the class of the refusal; the protocol passes its words on."""

    async def work() -> None:
        async with scene.worker() as worker:
            await worker.client.execute_task(search().task_id, icp_id=None, parameters={"num_results": "x"})

    with pytest.raises(InvalidRequestError):
        run(work())


def test_the_patience_of_production_is_longer_than_that_of_the_tests() -> None:
    default = type(TIMING)()
    assert replace(TIMING) == TIMING
    assert default.settle >= timedelta(seconds=30)
    assert default.clock_skew >= timedelta(minutes=5)
