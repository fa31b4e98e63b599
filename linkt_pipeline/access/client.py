"""One API client for a piece of work: paced by the plan, its requests counted in the warehouse."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta

from pydantic import SecretStr

from linkt_pipeline.access.request_budget import RequestBudget
from linkt_pipeline.access.request_usage import UsageCount, record_usage, requests_on
from linkt_pipeline.api import DEFAULT_MAX_BODY, DEFAULT_RETRY_FOR, LinktClient, RequestRecord, Throttle
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.file import Warehouse

_FLUSH_EVERY = timedelta(seconds=15)


class UsageMeter:
    """Counts requests per endpoint and day; in memory at first, written every few seconds."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._unwritten: Counter[tuple[date, str, bool]] = Counter()

    def count(self, record: RequestRecord) -> None:
        """Take one request into account (its time is in UTC)."""
        failed = record.status is None or record.status >= 400
        self._unwritten[record.at.date(), record.endpoint, failed] += 1

    def flush(self) -> None:
        """Write what was counted; with nothing to write, nothing is opened."""
        if not self._unwritten:
            return
        unwritten, self._unwritten = self._unwritten, Counter()
        rows: dict[tuple[date, str], UsageCount] = {}
        for (day, endpoint, failed), requests in unwritten.items():
            row = rows.get((day, endpoint), UsageCount(day, endpoint, 0, 0))
            rows[day, endpoint] = UsageCount(day, endpoint, row.requests + requests, row.errors + requests * failed)
        try:
            with self._warehouse.write(news=False) as con:
                record_usage(con, list(rows.values()))
        except LinktPipelineError:
            self._unwritten.update(unwritten)
            raise

    async def flush_regularly(self) -> None:
        """Flush every few seconds until cancelled; a busy warehouse only delays it."""
        while True:
            await asyncio.sleep(_FLUSH_EVERY.total_seconds())
            with suppress(LinktPipelineError):
                await asyncio.to_thread(self.flush)


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
) -> AsyncIterator[LinktClient]:
    """A client whose requests are paced and counted. Everything that asks the API gets its client here.

    Args:
        base_url: scheme and host of the API.
        api_key: the key.
        warehouse: keeps ``linkt.api_usage``.
        requests_per_minute: the plan's limit if known, kept across processes; otherwise it is learned from answers.
        daily_request_limit: requests per UTC day that are not exceeded, counted across processes.
        max_body: decompressed bytes of an answer beyond which it is not read on.
        retry_for: see :class:`~linkt_pipeline.api.LinktClient`.
    """

    def recorded_today() -> Mapping[date, int]:
        today = datetime.now(UTC).date()
        with warehouse.read() as con:
            return {today: requests_on(con, today)}

    meter = UsageMeter(warehouse)
    budget = RequestBudget(
        warehouse.path.with_name("requests.window"),
        per_window=requests_per_minute,
        per_day=daily_request_limit,
        # Asked here and not at the first request: a warehouse that is busy must stop neither a wait nor its event loop.
        recorded=await asyncio.to_thread(recorded_today) if daily_request_limit is not None else None,
    )
    throttle = Throttle(requests_per_minute, gate=budget.reserve if budget.is_limited else None)
    flusher = asyncio.create_task(meter.flush_regularly())
    try:
        async with LinktClient(
            base_url, api_key, throttle=throttle, max_body=max_body, retry_for=retry_for, on_request=meter.count
        ) as client:
            yield client
    finally:
        flusher.cancel()
        with suppress(asyncio.CancelledError):
            await flusher
        with suppress(LinktPipelineError):
            await asyncio.to_thread(meter.flush)
