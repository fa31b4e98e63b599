"""Requests are counted, and limits hold across processes."""

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from linkt_pipeline.runs.connection import connect
from linkt_pipeline.runs.errors import DailyLimitReachedError
from linkt_pipeline.runs.pace import SharedPace
from linkt_pipeline.sandbox import Sandbox, running_sandbox
from linkt_pipeline.warehouse.connection import Warehouse
from linkt_pipeline.warehouse.usage import requests_on, usage_on

TASK = "6964b9b45a4d0beef1000031"


def today() -> datetime:
    return datetime.now(UTC)


async def read_tasks(sandbox: Sandbox, warehouse: Warehouse, times: int, **limits: int) -> None:
    async with connect(sandbox.url, SecretStr(sandbox.api_key), warehouse, **limits) as client:
        for _ in range(times):
            await client.get_task(TASK)


def test_every_request_is_counted_by_endpoint_and_day(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "linkt.duckdb")
    with running_sandbox() as sandbox:
        sandbox.inject("http_500@get_task*1")
        asyncio.run(read_tasks(sandbox, warehouse, 3))
    with warehouse.read() as con:
        [row] = usage_on(con, today().date())
    assert (row.endpoint, row.requests, row.errors) == ("GET /v1/task/{task_id}", 4, 1)


def test_the_daily_limit_counts_what_other_processes_used(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "linkt.duckdb")
    with running_sandbox() as sandbox:
        asyncio.run(read_tasks(sandbox, warehouse, 3))
        with pytest.raises(DailyLimitReachedError, match=r"5 API requests were made .* LINKT_DAILY_REQUEST_LIMIT is 5"):
            asyncio.run(read_tasks(sandbox, warehouse, 3, daily_request_limit=5))
    with warehouse.read() as con:
        assert requests_on(con, today().date()) == 5


def test_requests_per_minute_hold_for_all_processes_together(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys, time; from datetime import timedelta; from pathlib import Path\n"
        "from linkt_pipeline.runs.pace import SharedPace\n"
        "pace = SharedPace(Path(sys.argv[1]), 20, timedelta(seconds=1))\n"
        "async def main():\n"
        "    end = time.time() + 3\n"
        "    while time.time() < end:\n"
        "        await pace.take(); print(time.time(), flush=True)\n"
        "asyncio.run(main())\n"
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
    pace = SharedPace(path, 2, timedelta(seconds=30))
    started = time.monotonic()
    asyncio.run(pace.take())
    asyncio.run(pace.take())
    assert time.monotonic() - started < 5
