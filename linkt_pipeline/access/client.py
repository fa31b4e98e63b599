"""One API client for a piece of work: paced by the plan, its requests counted in the warehouse."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import SecretStr

from linkt_pipeline.access.aside import Aside
from linkt_pipeline.access.request_budget import RequestBudget, budget_file
from linkt_pipeline.access.request_usage import UsageCount, added_up, record_usage, requests_on
from linkt_pipeline.api import DEFAULT_MAX_BODY, DEFAULT_RETRY_FOR, LinktClient, RequestRecord, Throttle
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from linkt_pipeline.access.shared_budget import SharedRequestBudget

_FLUSH_EVERY = timedelta(seconds=15)


class UsageMeter:
    """Counts requests per endpoint and day; in memory at first, written every few seconds.

    Args:
        warehouse: where they are written.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._aside = Aside(warehouse)
        self._unwritten: Counter[tuple[date, str, bool]] = Counter()

    def count(self, record: RequestRecord) -> None:
        """Take one request into account (its time is in UTC)."""
        failed = record.status is None or record.status >= 400
        self._unwritten[record.at.date(), record.endpoint, failed] += 1

    def flush(self) -> None:
        """Write the counts of this process and of looks that wrote nothing. Without counts, open no warehouse."""
        if not self._unwritten:
            return
        unwritten, self._unwritten = self._unwritten, Counter()
        try:
            with self._aside.taken() as others, self._warehouse.write(news=False) as con:
                record_usage(con, [*_rows(unwritten), *others])
        except (LinktPipelineError, OSError):
            self._unwritten.update(unwritten)
            raise

    def set_aside(self) -> None:
        """Keep the counts beside the warehouse, for the next process that writes."""
        unwritten, self._unwritten = self._unwritten, Counter()
        self._aside.add(_rows(unwritten))

    async def flush_regularly(self) -> None:
        """Flush every few seconds until cancelled; a busy warehouse only delays it."""
        while True:
            await asyncio.sleep(_FLUSH_EVERY.total_seconds())
            with suppress(LinktPipelineError, OSError):
                await asyncio.to_thread(self.flush)


def _rows(counted: Mapping[tuple[date, str, bool], int]) -> list[UsageCount]:
    return added_up(
        UsageCount(day, endpoint, requests, requests * failed) for (day, endpoint, failed), requests in counted.items()
    )


@asynccontextmanager
async def connect(
    base_url: str,
    api_key: SecretStr,
    warehouse: Warehouse,
    *,
    requests_per_minute: int | None = None,
    daily_request_limit: int | None = None,
    max_body: int = DEFAULT_MAX_BODY,
    retry_for: timedelta | None = DEFAULT_RETRY_FOR,
    writes: bool = True,
    leaves_half: bool = False,
) -> AsyncIterator[LinktClient]:
    """A client whose requests are paced and counted. Everything that asks the API gets its client here.

    Args:
        base_url: scheme and host of the API.
        api_key: the key.
        warehouse: keeps ``linkt.api_usage``. Both limits hold for all processes of this machine or, where hosts share a
            ledger, of all of them.
        requests_per_minute: the plan's limit if known, kept across processes. If unknown, answers teach it.
        daily_request_limit: requests per UTC day that are not exceeded, counted across processes.
        max_body: largest decompressed answer in bytes; reading stops there.
        retry_for: see :class:`~linkt_pipeline.api.LinktClient`.
        writes: count the requests in the warehouse. False: count them beside it, for a few requests that land nothing.
        leaves_half: stop at half of ``daily_request_limit``, counted over all processes. For work that can wait until
            tomorrow: the other half is left for watching and landing runs that are paid for.
    """

    def recorded_today() -> Mapping[date, int]:
        today = datetime.now(UTC).date()
        aside = sum(count.requests for count in Aside(warehouse).requests_on(today))
        with warehouse.read() as con:
            return {today: requests_on(con, today) + aside}

    if leaves_half and daily_request_limit is not None:
        daily_request_limit //= 2
    meter = UsageMeter(warehouse)
    budget = _budget(
        warehouse,
        requests_per_minute,
        daily_request_limit,
        # Asked here and not at the first request: a busy warehouse must not stop a wait or its event loop.
        recorded=await asyncio.to_thread(recorded_today) if daily_request_limit is not None else None,
    )
    throttle = Throttle(requests_per_minute, gate=budget.reserve if budget.is_limited else None)
    flusher = asyncio.create_task(meter.flush_regularly() if writes else asyncio.sleep(0))
    try:
        async with LinktClient(
            base_url, api_key, throttle=throttle, max_body=max_body, retry_for=retry_for, on_request=meter.count
        ) as client:
            yield client
    finally:
        flusher.cancel()
        with suppress(asyncio.CancelledError):
            await flusher
        await asyncio.to_thread(budget.close)
        with suppress(LinktPipelineError, OSError):
            await asyncio.to_thread(meter.flush if writes else meter.set_aside)


def _budget(
    warehouse: Warehouse,
    per_minute: int | None,
    per_day: int | None,
    recorded: Mapping[date, int] | None,
) -> "RequestBudget | SharedRequestBudget":
    if warehouse.ledger is None:
        path = budget_file(warehouse.folder)
        return RequestBudget(path, per_window=per_minute, per_day=per_day, recorded=recorded)
    # Here, because only a shared budget needs psycopg.
    from linkt_pipeline.access.shared_budget import SharedRequestBudget
    from linkt_pipeline.postgres.address import PostgresAddress

    address = PostgresAddress(warehouse.ledger.address, warehouse.ledger.schema)
    return SharedRequestBudget(address, per_window=per_minute, per_day=per_day, recorded=recorded)
