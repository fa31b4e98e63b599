"""The request budget that several hosts share: together they never exceed it, and they use nearly all of it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from linkt_pipeline.access.client import connect
from linkt_pipeline.access.errors import DailyLimitReachedError, RequestsNotCountedError
from linkt_pipeline.access.request_shares import RequestShares, Settlement, Share
from linkt_pipeline.access.shared_budget import SharedRequestBudget
from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.postgres.connections import connections_to
from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.sandbox.world.reference_data import SEARCH_TASK
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import SharedLedger
from tests.postgres import PostgresServer

pytestmark = pytest.mark.slow

BOUND = 60  # seconds
ADDRESS = "TEST_BUDGET_ADDRESS"


@pytest.fixture
def address(database: str) -> Iterator[PostgresAddress]:
    address = PostgresAddress(SecretStr(database))
    yield address
    connections_to(address).close()


def shares(address: PostgresAddress, *, seconds: float = 2, life: float = 0.5, **limits: Any) -> RequestShares:
    given = {"per_window": None, "per_day": None, "recorded": {}, **limits}
    return RequestShares(
        address,
        window=timedelta(seconds=seconds),
        life=timedelta(seconds=life),
        patience=timedelta(seconds=0.3),
        **given,
    )


def places(answer: Share | float) -> int:
    return answer.places if isinstance(answer, Share) else 0


def today() -> Any:
    return datetime.now(UTC).date()


# --- several processes

SPENDER = """
import os, sys, time
from datetime import timedelta
from pydantic import SecretStr
from linkt_pipeline.access.shared_budget import SharedRequestBudget
from linkt_pipeline.clock import seconds_since_boot
from linkt_pipeline.postgres.address import PostgresAddress
per_window, window, lasts = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
budget = SharedRequestBudget(
    PostgresAddress(SecretStr(os.environ["TEST_BUDGET_ADDRESS"])),
    per_window=per_window,
    window=timedelta(seconds=window),
)
print("ready", flush=True)
sys.stdin.readline()
until, moments = seconds_since_boot() + lasts, []
while seconds_since_boot() < until:
    wait = budget.reserve()
    if wait:
        time.sleep(min(wait, 0.05))
    else:
        moments.append(seconds_since_boot())
budget.close()
print(*moments, flush=True)
"""


def spender(address: PostgresAddress, *arguments: float) -> Any:
    return subprocess.Popen(
        [sys.executable, "-c", SPENDER, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, ADDRESS: address.conninfo.get_secret_value()},
    )


def spend_at_once(address: PostgresAddress, hosts: int, *arguments: float) -> list[list[float]]:
    """The moments at which each of several processes sent a request, by the clock of the machine."""
    spenders = [spender(address, *arguments) for _ in range(hosts)]
    for each in spenders:
        assert each.stdout.readline() == "ready\n"
    for each in spenders:
        each.stdin.write("go\n")
        each.stdin.flush()
    return [[float(moment) for moment in each.communicate(timeout=BOUND)[0].split()] for each in spenders]


def test_four_processes_use_nearly_all_of_the_rate_and_never_more(address: PostgresAddress) -> None:
    per_window, window = 400, 6.0

    moments = spend_at_once(address, 4, per_window, window, 2.6 * window)

    sent = sorted(moment for each in moments for moment in each)
    too_close = [later - first for first, later in zip(sent, sent[per_window:], strict=False) if later - first < window]
    assert too_close == [], "a server that counts in any window of this length would have refused these"
    assert len(sent) >= 3 * per_window
    # From the moment when the first window is full to the same moment two windows later.
    two_windows = sent[3 * per_window - 1] - sent[per_window - 1]
    assert 2 * per_window / two_windows >= 0.9 * per_window / window
    assert all(len(each) > per_window / 4 for each in moments), "none of them starves"


def test_what_a_killed_process_had_comes_back_once_it_can_no_longer_count(address: PostgresAddress) -> None:
    script = (
        "import sys, time\nfrom tests.access.test_shared_budget import *\n"
        "address = PostgresAddress(SecretStr(os.environ[ADDRESS]))\n"
        "print(places(shares(address, per_window=10).take(8)), flush=True)\ntime.sleep(60)\n"
    )
    host = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, ADDRESS: address.conninfo.get_secret_value()},
    )
    assert host.stdout is not None
    assert host.stdout.readline() == "8\n"
    taken_by = time.monotonic()
    host.send_signal(signal.SIGKILL)
    host.wait(BOUND)
    other = shares(address, per_window=10)

    first = other.take(10)
    assert places(first) == 2
    assert isinstance(first, Share)
    other.settle(Settlement(first.share_id, 0, timedelta(0)))
    while places(answer := other.take(10)) <= 2:
        if isinstance(answer, Share):
            other.settle(Settlement(answer.share_id, 0, timedelta(0)))
        assert time.monotonic() - taken_by < BOUND
        time.sleep(0.05)

    assert places(answer) == 10
    assert time.monotonic() - taken_by > 2.2, "its life, in which it could be used, and a window"


# --- shares


def test_places_that_were_not_used_come_back_at_once_and_used_ones_after_a_window(address: PostgresAddress) -> None:
    budget = shares(address, per_window=10, seconds=30)
    first = budget.take(6)
    assert isinstance(first, Share)
    assert places(budget.take(10)) == 4
    assert budget.take(1) == pytest.approx(0.5), "what others settle early comes back early"

    second = budget.take(10, Settlement(first.share_id, 1, timedelta(seconds=10)))

    assert isinstance(second, Share)
    assert second.places == 5
    budget.settle(Settlement(second.share_id, 5, timedelta(seconds=29.5)))
    budget.settle(Settlement(second.share_id, 0, timedelta(0)))  # a second time: nothing comes back twice
    time.sleep(0.6)
    assert places(budget.take(10)) == 5


def test_the_requests_of_a_day_are_counted_over_all_hosts_and_those_that_were_not_made_are_given_back(
    address: PostgresAddress,
) -> None:
    one, other = (shares(address, per_day=10, recorded={today(): 4}) for _ in range(2))
    first = one.take(4)
    assert isinstance(first, Share)
    assert places(other.take(9)) == 2
    assert other.take(1) == pytest.approx(0.5), "the others may leave some of theirs"

    one.settle(Settlement(first.share_id, 1, timedelta(0)))

    last = other.take(9)
    assert isinstance(last, Share)
    assert last.places == 3
    with psycopg.connect(address.conninfo.get_secret_value()) as postgres:
        postgres.execute("update linkt_ledger.request_shares set used = places")
    with pytest.raises(DailyLimitReachedError, match=r"^10 API requests were made on .*LIMIT is 10"):
        one.take(1)
    assert places(shares(address, per_day=12).take(9)) == 2, "a process that may use more of the day"


# --- the budget of a process


def reserved(budget: SharedRequestBudget, seconds: float) -> int:
    """How many places a process gets within so long."""
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        if wait := budget.reserve():
            time.sleep(min(wait, 0.02))
        else:
            count += 1
    return count


def test_who_asks_seldom_holds_no_places_that_others_could_use(address: PostgresAddress) -> None:
    quiet, busy = (SharedRequestBudget(address, per_window=40, window=timedelta(seconds=20)) for _ in range(2))
    while quiet.reserve():
        time.sleep(0.01)

    assert reserved(busy, 3) == 39
    quiet.close()
    busy.close()


def test_a_process_that_ends_gives_back_what_it_has_not_used(address: PostgresAddress) -> None:
    budget = SharedRequestBudget(address, per_window=400, window=timedelta(minutes=10))
    while reserved(budget, 0.2) < 1:
        pass
    budget.close()

    with psycopg.connect(address.conninfo.get_secret_value()) as postgres:
        rows = postgres.execute("select count(*) from linkt_ledger.request_shares where used is null").fetchall()
    assert rows == [(0,)]


def test_while_postgres_is_away_no_request_leaves_and_nobody_waits_for_it(
    address: PostgresAddress, postgres_server: PostgresServer
) -> None:
    budget = SharedRequestBudget(address, per_window=100)
    budget._shares._patience = timedelta(seconds=0.2)
    postgres_server.stop()
    try:
        begun = time.monotonic()
        assert budget.reserve() > 0
        assert time.monotonic() - begun < 0.2, "the event loop has others to serve"
        with pytest.raises(RequestsNotCountedError, match=r"so none is made.*can't be reached"):
            reserved(budget, BOUND)
    finally:
        postgres_server.start()

    assert reserved(budget, 1) >= 1
    budget.close()


def test_a_client_counts_its_requests_there(address: PostgresAddress, tmp_path: Path) -> None:
    async def ask(url: str, key: str) -> None:
        warehouse = FileWarehouse(tmp_path / "warehouse.duckdb")
        warehouse.ledger = SharedLedger(address.conninfo, address.schema)
        async with connect(url, SecretStr(key), warehouse, daily_request_limit=3) as client:
            for _ in range(4):
                await client.get_task(SEARCH_TASK)

    with running_sandbox() as sandbox, pytest.raises(DailyLimitReachedError):
        asyncio.run(ask(sandbox.url, sandbox.api_key))

    with psycopg.connect(address.conninfo.get_secret_value()) as postgres:
        assert postgres.execute("select used from linkt_ledger.request_days").fetchall() == [(3,)]
