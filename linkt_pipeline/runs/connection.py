"""One API client for a piece of work: paced by the plan, its requests counted in the warehouse."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta

from pydantic import SecretStr

from linkt_pipeline.api import DEFAULT_MAX_BODY, LinktClient, RequestRecord, Throttle
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.runs.errors import DailyLimitReachedError
from linkt_pipeline.runs.pace import SharedPace
from linkt_pipeline.warehouse.connection import Warehouse
from linkt_pipeline.warehouse.usage import UsageCount, record_usage, requests_on

_FLUSH_EVERY = timedelta(seconds=15)


class UsageMeter:
    """Counts requests per endpoint and day, and knows how many the day has left.

    Counts are kept in memory and written every few seconds, so that several processes of one machine share the
    day's budget to within one interval.
    """

    def __init__(self, warehouse: Warehouse, daily_limit: int | None) -> None:
        self._warehouse = warehouse
        self._daily_limit = daily_limit
        self._unwritten: Counter[tuple[date, str, bool]] = Counter()
        self._written_today = 0

    def count(self, record: RequestRecord) -> None:
        """Take one request into account (its time is in UTC)."""
        failed = record.status is None or record.status >= 400
        self._unwritten[record.at.date(), record.endpoint, failed] += 1

    async def require_budget(self) -> None:
        """Called before every request.

        Raises:
            DailyLimitReachedError: the day's requests are used up.
        """
        if self._daily_limit is None:
            return
        today = datetime.now(UTC).date()
        used = self._written_today + sum(n for (day, _, _), n in self._unwritten.items() if day == today)
        if used >= self._daily_limit:
            raise DailyLimitReachedError(
                f"{used} API requests were made on {today} (UTC) and LINKT_DAILY_REQUEST_LIMIT is {self._daily_limit}; "
                "what is fetched is landed, the rest stays pending. Go on tomorrow, or raise the limit"
            )

    def flush(self) -> None:
        """Write what was counted and learn what other processes used; with neither to do, nothing is opened."""
        if not self._unwritten and self._daily_limit is None:
            return
        unwritten, self._unwritten = self._unwritten, Counter()
        rows: dict[tuple[date, str], UsageCount] = {}
        for (day, endpoint, failed), requests in unwritten.items():
            row = rows.get((day, endpoint), UsageCount(day, endpoint, 0, 0))
            rows[day, endpoint] = UsageCount(day, endpoint, row.requests + requests, row.errors + requests * failed)
        try:
            with self._warehouse.write() as con:
                record_usage(con, list(rows.values()))
                self._written_today = requests_on(con, datetime.now(UTC).date())
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
) -> AsyncIterator[LinktClient]:
    """A client whose requests are paced and counted.

    Args:
        base_url: scheme and host of the API.
        api_key: the key.
        warehouse: keeps ``linkt.api_usage``.
        requests_per_minute: the plan's limit if known, kept across processes; otherwise it is learned from answers.
        daily_request_limit: requests per UTC day that are not exceeded, counted across processes.
        max_body: largest body read, in bytes, unpacked.
    """
    meter = UsageMeter(warehouse, daily_request_limit)
    if daily_request_limit is not None:
        await asyncio.to_thread(meter.flush)
    pace = SharedPace(warehouse.path.with_name("requests.window"), requests_per_minute) if requests_per_minute else None

    async def budget() -> None:
        await meter.require_budget()
        if pace is not None:
            await pace.take()

    is_limited = daily_request_limit is not None or pace is not None
    throttle = Throttle(requests_per_minute, budget=budget if is_limited else None)
    flusher = asyncio.create_task(meter.flush_regularly())
    try:
        async with LinktClient(
            base_url, api_key, throttle=throttle, on_request=meter.count, max_body=max_body
        ) as client:
            yield client
    finally:
        flusher.cancel()
        with suppress(asyncio.CancelledError):
            await flusher
        with suppress(LinktPipelineError):
            await asyncio.to_thread(meter.flush)
