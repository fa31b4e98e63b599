"""A ledger in PostgreSQL that can't be reached: what a start, a wait and a landing do meanwhile."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from linkt_pipeline.api import RequestNotSentError
from linkt_pipeline.executions.execute import Outcome, execute_tasks
from linkt_pipeline.executions.start import start_or_adopt
from linkt_pipeline.ledger.values import Execution, LeaseLostError
from linkt_pipeline.warehouse.errors import WarehouseBusyError
from tests.engines import WITH_SHARED_LEDGER
from tests.postgres import PostgresServer

from .scene import TIMING, Scene, run, search, until

pytestmark = WITH_SHARED_LEDGER


@pytest.fixture
def server(scene: Scene, postgres_server: PostgresServer) -> PostgresServer:
    """The server of the scene's ledger, and a ledger that gives up soon."""
    scene.warehouse.lock_timeout = timedelta(milliseconds=300)
    return postgres_server


@contextmanager
def away(server: PostgresServer, seconds: float) -> Iterator[None]:
    """PostgreSQL is stopped, and comes back so much later or at the end, whichever is first."""
    server.stop()
    comes_back = threading.Timer(seconds, server.start)
    comes_back.start()
    try:
        yield
    finally:
        if not comes_back.finished.is_set():
            comes_back.cancel()
            server.start()
        comes_back.join()


def test_nothing_is_sent(scene: Scene, server: PostgresServer) -> None:
    with away(server, 60):
        (outcome,) = scene.execute(search())

    assert isinstance(outcome.error, WarehouseBusyError)
    assert f"PostgreSQL at 127.0.0.1:{server.port}, database " in str(outcome.error)
    assert server.password not in str(outcome.error)
    assert (scene.posts(), scene.rows()) == (0, [])


def test_the_id_of_a_run_that_was_just_started_is_tried_until_it_is_written_down(
    scene: Scene, server: PostgresServer
) -> None:
    async def work() -> Execution:
        async with scene.worker() as worker:
            remember = worker.ledger.mark_started
            tried: list[float] = []

            def remember_later(*args: Any, **kwargs: Any) -> Execution:
                if not tried:
                    tried.append(time.monotonic())
                    with away(server, 1):
                        while not await_error(lambda: remember(*args, **kwargs)):
                            pass
                    raise WarehouseBusyError("as the ledger said")
                return remember(*args, **kwargs)

            worker.ledger.mark_started = remember_later  # type: ignore[method-assign]
            return await start_or_adopt(worker, search())

    started = run(work())

    assert (scene.posts(), scene.sandbox.run_count()) == (1, 1)
    assert [row.run_id for row in scene.rows()] == [started.run_id]
    assert "exists but can't be written down yet" in scene.texts


def await_error(call: Any) -> bool:
    """Whether a call finds the ledger away."""
    try:
        call()
    except WarehouseBusyError:
        return True
    return False


def test_a_wait_goes_on_and_its_run_is_landed_once_postgres_is_back(scene: Scene, server: PostgresServer) -> None:
    scene.sandbox.inject("run_life=3600")

    async def work() -> list[Outcome]:
        async with scene.worker() as worker:
            executing = asyncio.create_task(execute_tasks(worker, [search(max_wait="1m")]))
            await until(lambda: scene.states() == ["started"])
            with away(server, 2):
                (record,) = scene.sandbox.world.own.runs.values()
                record.status = "COMPLETED"
                await until(lambda: "the warehouse is busy, still waiting: the ledger (PostgreSQL" in scene.texts)
                assert not executing.done()
            return await executing

    (outcome,) = run(work())

    assert outcome.succeeded
    assert (scene.posts(), scene.states()) == (1, ["finished"])


def test_a_process_that_is_cut_off_from_its_ledger_for_longer_than_its_lease_sends_nothing(
    scene: Scene, server: PostgresServer
) -> None:
    """Linkt can't be reached, and a second later it can; meanwhile another host may have taken the start over."""
    timing = replace(TIMING, resend=timedelta(seconds=1.5), unreachable=timedelta(seconds=10))

    async def work() -> None:
        async with scene.worker(lease=timedelta(milliseconds=900), timing=timing) as worker, worker.holding_leases():
            send, sent = worker.client.execute_task, []

            async def cut_off_first(*args: Any, **kwargs: Any) -> Any:
                if not sent:
                    sent.append("not at all")
                    server.stop()
                    raise RequestNotSentError("no route to host")
                return await send(*args, **kwargs)

            worker.client.execute_task = cut_off_first  # type: ignore[method-assign]
            await start_or_adopt(worker, search())

    try:
        with pytest.raises(LeaseLostError, match="could not be reached for so long"):
            run(work())
    finally:
        server.start()
    assert "leases could not be renewed yet: the ledger (PostgreSQL" in scene.texts
    assert (scene.posts(), scene.states()) == (0, ["intended"])
