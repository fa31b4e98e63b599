"""Answers that look like a verdict about a run and are none: acted upon, each would buy the run a second time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import duckdb
import pytest

from linkt_pipeline.api import ForeignNotFoundError, MalformedBodyError
from linkt_pipeline.executions.errors import RunNotVisibleError, StartRefusedError, StillRunningError
from linkt_pipeline.executions.execute import execute_tasks
from linkt_pipeline.executions.start import start_or_adopt
from linkt_pipeline.ledger.ledger import Ledger
from linkt_pipeline.ledger.values import Execution, LeaseLostError
from linkt_pipeline.sandbox.world.reference_data import SEARCH_TASK

from .scene import Scene, run, search

GATEWAY_PAGE = b"<html><head><title>404 Not Found</title></head><body>nginx</body></html>"


@asynccontextmanager
async def answering(status: str, body: bytes) -> AsyncIterator[str]:
    """A server that gives one answer to everything."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def start(scene: Scene) -> Execution:
    async def work() -> Execution:
        async with scene.worker() as worker, worker.holding_leases():
            return await start_or_adopt(worker, search())

    return run(work())


# --- 404


def test_a_gateway_that_says_404_to_everything_does_not_end_a_run(scene: Scene) -> None:
    start(scene)

    async def meanwhile() -> None:
        async with answering("404 Not Found", GATEWAY_PAGE) as url, scene.worker(url=url) as worker:
            (outcome,) = await execute_tasks(worker, [search(max_wait="900ms")])
            assert isinstance(outcome.error, StillRunningError)

    run(meanwhile())
    assert scene.states() == ["started"]
    assert scene.execute(search())[0].succeeded
    assert scene.posts() == 1


def test_a_404_that_is_not_linkts_says_so(scene: Scene) -> None:
    async def ask() -> None:
        async with answering("404 Not Found", GATEWAY_PAGE) as url, scene.worker(url=url) as worker:
            await worker.client.get_entity_body(SEARCH_TASK)

    with pytest.raises(ForeignNotFoundError, match="answered instead of Linkt"):
        run(ask())


def test_a_key_that_sees_neither_run_nor_task_does_not_end_a_run(scene: Scene) -> None:
    """It is of another organization. When the right one is back, so is the run."""
    start(scene)
    scene.sandbox.inject("missing@get_run*0")
    scene.sandbox.inject("missing@get_task*0")

    (outcome,) = scene.execute(search())

    assert isinstance(outcome.error, RunNotVisibleError)
    assert "LINKT_API_KEY" in str(outcome.error)
    assert scene.states() == ["started"]
    scene.sandbox.world.faults.clear()
    assert scene.execute(search())[0].succeeded
    assert scene.posts() == 1


def test_an_answer_about_another_run_is_no_answer(scene: Scene) -> None:
    other = b'{"id": "%s", "status": "COMPLETED"}' % (b"e" * 24)

    async def ask() -> None:
        async with answering("200 OK", other) as url, scene.worker(url=url) as worker:
            await worker.client.get_run("d" * 24)

    with pytest.raises(MalformedBodyError, match=r"is about run 'e{24}' instead"):
        run(ask())


# --- a start that may have worked


def test_a_refusal_after_a_503_that_did_the_work_leaves_the_row_to_be_looked_up(scene: Scene) -> None:
    scene.sandbox.inject("error_after_work=503")
    scene.sandbox.inject("http_403@execute+1")
    lag = scene.sandbox.inject("lagging_list=60")

    (outcome,) = scene.execute(search())

    assert isinstance(outcome.error, StartRefusedError)
    assert scene.states() == ["unknown"]
    lag.times = 0
    assert scene.execute(search())[0].succeeded
    assert scene.sandbox.run_count() == 1


def test_whatever_keeps_the_run_id_from_being_written_down_is_outwaited(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Ledger.mark_started
    failures = iter([duckdb.InternalException("?"), OSError("?"), duckdb.TransactionException("?")])

    def failing(self: Ledger, *args: str, **kwargs: str) -> Execution:
        for error in failures:
            raise error
        return whole(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "mark_started", failing)

    assert start(scene).run_id in scene.sandbox.world.runs
    assert (scene.posts(), scene.states()) == (1, ["started"])


def test_a_request_that_is_stopped_at_the_last_moment_gives_its_place_back(scene: Scene) -> None:
    def stop() -> None:
        raise LeaseLostError("somebody else has it")

    async def work() -> int:
        async with scene.worker() as worker:
            with pytest.raises(LeaseLostError):
                await worker.client.execute_task(SEARCH_TASK, icp_id=None, parameters={}, before_send=stop)
            return worker.client.throttle._in_flight

    assert run(work()) == 0
    assert scene.posts() == 0


# --- a run that has ended and was not handed on


@pytest.mark.parametrize("fault", ["http_500@get_run*0", "missing@get_run*0"])
def test_the_outcome_of_a_landed_run_is_read_from_the_warehouse(scene: Scene, fault: str) -> None:
    """Asked of the API it could fail, and a failure that is told would use the run up."""
    (before,) = scene.execute(search())
    (bought,) = scene.rows()
    with scene.ledger.write() as rows:
        rows.owe(bought.execution_id, "elsewhere/1/2/3")
    scene.sandbox.inject(fault)

    (outcome,) = scene.execute(search())

    assert outcome.succeeded
    assert outcome.run is not None
    assert outcome.run == before.run
    assert scene.posts() == 1
