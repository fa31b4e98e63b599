"""Requests of looks that find nothing: counted beside the warehouse, until somebody writes to it."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from linkt_pipeline.access.aside import Aside
from linkt_pipeline.access.client import connect
from linkt_pipeline.access.errors import DailyLimitReachedError
from linkt_pipeline.access.request_usage import UsageCount, usage_on
from linkt_pipeline.sandbox import Sandbox, running_sandbox
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse

DAY = date(2026, 11, 28)
LIST = "GET /v1/run"


def list_runs(sandbox: Sandbox, warehouse: Warehouse, *, writes: bool, **limits: int) -> None:
    async def ask() -> None:
        key = SecretStr(sandbox.api_key)
        async with connect(sandbox.url, key, warehouse, writes=writes, **limits) as client:
            await client.list_runs_page()

    asyncio.run(ask())


def counted(warehouse: Warehouse) -> list[UsageCount]:
    with warehouse.read() as con:
        return usage_on(con, datetime.now(UTC).date())


def test_a_look_is_counted_without_touching_the_warehouse_and_the_next_writer_takes_its_count(
    warehouse: Warehouse,
) -> None:
    warehouse.migrate()
    before = warehouse.path.read_bytes()
    today = datetime.now(UTC).date()
    with running_sandbox() as sandbox:
        sandbox.inject("http_500@list_runs*1")
        for _ in range(3):
            list_runs(sandbox, warehouse, writes=False)
        assert warehouse.path.read_bytes() == before
        assert Aside(warehouse).requests_on(today) == [UsageCount(today, LIST, 4, 1)]
        assert Aside(warehouse).requests_on(today - timedelta(days=1)) == []

        list_runs(sandbox, warehouse, writes=True)
    assert counted(warehouse) == [UsageCount(today, LIST, 5, 1)]
    assert Aside(warehouse).requests_on(today) == []


def test_looks_count_towards_the_daily_limit(warehouse: Warehouse) -> None:
    with running_sandbox() as sandbox:
        list_runs(sandbox, warehouse, writes=False)  # without a limit, as before it was set
        list_runs(sandbox, warehouse, writes=False, daily_request_limit=2)
        with pytest.raises(DailyLimitReachedError, match="2 API requests were made"):
            list_runs(sandbox, warehouse, writes=False, daily_request_limit=2)


def test_counts_stay_until_the_transaction_that_takes_them_is_done(warehouse: Warehouse) -> None:
    aside = Aside(warehouse)
    aside.add([UsageCount(DAY, LIST, 1, 0)])

    def take_and_fail() -> None:
        with aside.taken():
            raise LookupError

    with pytest.raises(LookupError):
        take_and_fail()
    assert aside.requests_on(DAY) == [UsageCount(DAY, LIST, 1, 0)]


def test_when_a_look_last_found_nothing_outlives_the_counts(warehouse: Warehouse) -> None:
    aside, now = Aside(warehouse), datetime(2026, 11, 28, 6, 15, tzinfo=UTC)
    assert aside.last_look() is None
    aside.add([UsageCount(DAY, LIST, 1, 0)])
    assert aside.last_look() is None

    aside.note_look(now)
    with aside.taken() as counts:
        assert counts == [UsageCount(DAY, LIST, 1, 0)]

    assert aside.last_look() == now
    assert aside.requests_on(DAY) == []


@pytest.mark.parametrize("content", [b"", b'{"looked_at": nul', b"[]", b'{"looked_at": 3, "counts": [["x"]]}'])
def test_a_torn_file_counts_as_empty_and_is_written_anew(warehouse: Warehouse, content: bytes) -> None:
    warehouse.path.with_name("idle.json").write_bytes(content)
    aside = Aside(warehouse)

    assert aside.last_look() is None
    aside.add([UsageCount(DAY, LIST, 1, 0)])
    assert aside.requests_on(DAY) == [UsageCount(DAY, LIST, 1, 0)]


def test_many_processes_at_once_lose_no_count_and_a_killed_one_keeps_nobody_out(warehouse: Warehouse) -> None:
    script = (
        "import sys; from datetime import date; from pathlib import Path\n"
        "from linkt_pipeline.access.aside import Aside\n"
        "from linkt_pipeline.access.request_usage import UsageCount\n"
        "from linkt_pipeline.warehouse.engines.file import FileWarehouse\n"
        "aside = Aside(FileWarehouse(Path(sys.argv[1])))\n"
        "for _ in range(200): aside.add([UsageCount(date(2026, 11, 28), 'GET /v1/run', 1, 0)])\n"
        "with aside.taken():\n"
        "    print('holding', flush=True); sys.stdin.read() if sys.argv[2:] else None; raise SystemExit\n"
    )
    command = [sys.executable, "-c", script, str(warehouse.path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    holder = subprocess.Popen([*command, "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "holding\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(timeout=10)

    Aside(warehouse).add([UsageCount(DAY, LIST, 1, 0)])
    assert Aside(warehouse).requests_on(DAY) == [UsageCount(DAY, LIST, 601, 0)]


def test_a_disk_that_is_full_ends_no_look(tmp_path: Path) -> None:
    aside = Aside(FileWarehouse(tmp_path / "nowhere" / "warehouse.duckdb"))
    aside.note_look(datetime.now(UTC))
    aside.add([UsageCount(DAY, LIST, 1, 0)])
    assert aside.requests_on(DAY) == []
