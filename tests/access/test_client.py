"""Requests are counted, and limits hold across processes."""

import asyncio
import errno
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from pydantic import SecretStr

from linkt_pipeline.access import request_budget
from linkt_pipeline.access.client import connect
from linkt_pipeline.access.errors import DailyLimitReachedError, RequestsNotCountedError
from linkt_pipeline.access.request_budget import RequestBudget
from linkt_pipeline.access.request_usage import requests_on, usage_on
from linkt_pipeline.api import Throttle
from linkt_pipeline.executions.execute import Outcome, execute_tasks
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.sandbox import Sandbox, running_sandbox
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.executions.scene import TIMING, search, until

TASK = "6964b9b45a4d0beef1000031"


def today() -> datetime:
    return datetime.now(UTC)


async def read_tasks(sandbox: Sandbox, warehouse: Warehouse, times: int, **limits: int) -> None:
    async with connect(sandbox.url, SecretStr(sandbox.api_key), warehouse, **limits) as client:
        for _ in range(times):
            await client.get_task(TASK)


def test_every_request_is_counted_by_endpoint_and_day(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb")
    with running_sandbox() as sandbox:
        sandbox.inject("http_500@get_task*1")
        asyncio.run(read_tasks(sandbox, warehouse, 3))
    with warehouse.read() as con:
        [row] = usage_on(con, today().date())
    assert (row.endpoint, row.requests, row.errors) == ("GET /v1/task/{task_id}", 4, 1)


def test_the_daily_limit_counts_what_other_processes_used(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb")
    with running_sandbox() as sandbox:
        asyncio.run(read_tasks(sandbox, warehouse, 3))
        with pytest.raises(DailyLimitReachedError, match=r"5 API requests were made .* LINKT_DAILY_REQUEST_LIMIT is 5"):
            asyncio.run(read_tasks(sandbox, warehouse, 3, daily_request_limit=5))
    with warehouse.read() as con:
        assert requests_on(con, today().date()) == 5


def test_requests_per_minute_hold_for_all_processes_together(tmp_path: Path) -> None:
    script = (
        "import sys, time; from datetime import timedelta; from pathlib import Path\n"
        "from linkt_pipeline.access.request_budget import RequestBudget\n"
        "budget = RequestBudget(Path(sys.argv[1]), per_window=20, window=timedelta(seconds=1))\n"
        "end = time.time() + 3\n"
        "while time.time() < end:\n"
        "    wait = budget.reserve()\n"
        "    time.sleep(wait) if wait else print(time.time(), flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "requests.window")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    moments = sorted(float(line) for process in processes for line in process.communicate(timeout=60)[0].split())
    # A request's print comes a moment after its claim; a window a little shorter than the real one allows for it.
    most = max(sum(1 for other in moments if moment <= other < moment + 0.9) for moment in moments)
    assert len(moments) >= 40
    assert most <= 20


def test_a_torn_or_future_window_file_delays_nobody(tmp_path: Path) -> None:
    path = tmp_path / "requests.window"
    path.write_bytes(b"\x01\x02\x03")
    budget = RequestBudget(path, per_window=2, window=timedelta(seconds=30))
    started = time.monotonic()
    assert budget.reserve() == 0
    assert budget.reserve() == 0
    assert time.monotonic() - started < 5


def test_what_is_on_its_way_counts_towards_the_day(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb")

    async def read_at_once(sandbox: Sandbox) -> list[object]:
        async with connect(sandbox.url, SecretStr(sandbox.api_key), warehouse, daily_request_limit=10) as client:
            return await asyncio.gather(*(client.get_task(TASK) for _ in range(32)), return_exceptions=True)

    with running_sandbox() as sandbox:
        answers = asyncio.run(read_at_once(sandbox))
        assert sum(isinstance(answer, DailyLimitReachedError) for answer in answers) == 22
        with warehouse.read() as con:
            assert requests_on(con, today().date()) == 10
        with pytest.raises(DailyLimitReachedError):
            asyncio.run(read_tasks(sandbox, warehouse, 1, daily_request_limit=10))


def test_a_pause_that_the_server_orders_uses_no_places_up(tmp_path: Path) -> None:
    """Two limiters of one budget sit a pause out; none of their requests was counted before it left."""
    window = timedelta(seconds=2)

    def limiter() -> Throttle:
        budget = RequestBudget(tmp_path / "requests.window", per_window=10, window=window)
        return Throttle(10, window=window, gate=budget.reserve)

    async def scenario() -> list[float]:
        limiters = [limiter(), limiter()]
        for each in limiters:
            each.pause(window * 1.2)
        began = time.monotonic()
        return sorted(at - began for at in await asyncio.gather(*(x.acquire() for x in limiters for _ in range(10))))

    starts = asyncio.run(scenario())
    assert starts[0] >= 2.3
    assert max(sum(1 for other in starts if at <= other < at + 2) for at in starts) <= 10


class _Tomorrow(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(days=1)


def _full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_clock_set_back_frees_no_place_of_the_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = RequestBudget(tmp_path / "requests.window", per_window=2)
    assert (budget.reserve(), budget.reserve()) == (0, 0)

    set_back = time.time() - 5
    monkeypatch.setattr(time, "time", lambda: set_back)

    assert budget.reserve() > 0


def test_a_disk_that_is_full_keeps_the_count_of_the_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "requests.window"
    budget = RequestBudget(path, per_day=3)
    budget.reserve()
    before = path.read_bytes()

    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", _full)
        with pytest.raises(RequestsNotCountedError, match=r"requests\.window: No space left on device"):
            budget.reserve()

    assert path.read_bytes() == before
    assert (budget.reserve(), budget.reserve()) == (0, 0)
    with pytest.raises(DailyLimitReachedError):
        budget.reserve()


@pytest.mark.parametrize("trouble", ["a new day and a busy warehouse", "a full disk"])
def test_a_budget_that_can_not_be_asked_ends_no_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """The run is paid: whatever keeps its reads from being counted, the wait outlasts it."""
    warehouse = FileWarehouse(tmp_path / "linkt.duckdb", lock_timeout=timedelta(milliseconds=100))

    async def work(sandbox: Sandbox) -> Outcome:
        async with connect(sandbox.url, SecretStr(sandbox.api_key), warehouse, daily_request_limit=1000) as client:
            worker = Worker(client, warehouse, ledger_of(warehouse), timing=TIMING)
            waiting = asyncio.create_task(execute_tasks(worker, [search()]))
            await until(lambda: sandbox.world.requests.count("get_run") >= 1)
            with monkeypatch.context() as now:
                if trouble == "a full disk":
                    now.setattr(os, "pwrite", _full)
                    await asyncio.sleep(0.3)
                else:
                    now.setattr(request_budget, "datetime", _Tomorrow)
                    # By another thread than the one that would ask; which waits for its own turn as long as it takes.
                    with FileWarehouse(warehouse.path).read():
                        await asyncio.sleep(0.5)
            return (await waiting)[0]

    with running_sandbox(speed=6) as sandbox:
        outcome = asyncio.run(asyncio.wait_for(work(sandbox), 60))

    assert outcome.succeeded, outcome.error
