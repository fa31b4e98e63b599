"""Fetch every pending entity or signal and land it; the rest of what can't be read now is simply still pending."""

import asyncio
from datetime import UTC, datetime

from linkt_pipeline.api import (
    AuthenticationError,
    LinktClient,
    MalformedBodyError,
    PermissionDeniedError,
    RefusedError,
    ReplyLostError,
    ServerError,
)
from linkt_pipeline.collection.lander import Reader
from linkt_pipeline.collection.planner import PAGE_SIZE, GroupPlan, PageBudget
from linkt_pipeline.collection.reading import CONCURRENCY, Fetched, Progress, Reading
from linkt_pipeline.warehouse.file import Warehouse
from linkt_pipeline.warehouse.landing import reopen_resources
from linkt_pipeline.warehouse.queries import pending_resources

_ROUND = 50_000  # pending ids read at once; bounds memory


async def fetch_pending(
    client: LinktClient,
    warehouse: Warehouse,
    reader: Reader,
    *,
    retry_settled: bool = False,
    progress: Progress = lambda _: None,
    concurrency: int = CONCURRENCY,
    by_pages: bool = True,
) -> Fetched:
    """Settle every id of a resource that is pending now as landed, missing (404) or rejected (kept with its payload).

    Args:
        client: the API.
        warehouse: holds ``run_resources`` and receives the rows.
        reader: ``ENTITIES`` or ``SIGNALS``.
        retry_settled: ask again for ids that were missing or rejected before.
        progress: called after every landed batch.
        concurrency: requests in flight.
        by_pages: allow list pages where they save requests; the result is the same.

    Raises:
        OtherOrganizationError: the key shows nothing of what the warehouse knows; nothing was settled.
        LinktApiError: the API can't be reached or refuses the key. What was fetched is landed, the rest stays
            pending and is fetched by the next call.
    """
    if retry_settled:
        await asyncio.to_thread(_make_pending_again, warehouse, reader)
    fetching = _Fetch(client, warehouse, reader, progress, concurrency, by_pages)
    await fetching.run()
    return fetching.done


def _make_pending_again(warehouse: Warehouse, reader: Reader) -> None:
    with warehouse.write() as con:
        reopen_resources(con, reader.resource)


class _Fetch(Reading):
    def __init__(
        self,
        client: LinktClient,
        warehouse: Warehouse,
        reader: Reader,
        progress: Progress,
        concurrency: int,
        by_pages: bool,
    ) -> None:
        super().__init__(client, warehouse, reader, progress, concurrency)
        self.by_pages = by_pages
        self.tried: set[str] = set()
        self.is_last_round = False

    async def _run(self) -> None:
        while not self.is_last_round and (groups := await self._on_thread(self._next_round)):
            await self._land_beside(self._fetch_round(groups))
        await self._on_thread(self._note_failed)

    def _next_round(self) -> dict[str | None, set[str]]:
        """The next ids to settle, by ICP. An id that was tried is not tried again in this fetch."""
        limit = _ROUND + len(self.done.failures)  # what failed is still pending and comes again
        with self.warehouse.read() as con:
            pending = pending_resources(con, self.reader.resource, limit)
        self.is_last_round = len(pending) < limit
        groups: dict[str | None, set[str]] = {}
        for (icp_id,), named in pending.group_by("icp_id", maintain_order=True):
            if ids := set(named["resource_id"]) - self.tried:
                self.naming_run = named["run_id"][0]
                self.tried |= ids
                groups[icp_id] = ids
        self.done.pending += sum(map(len, groups.values()))
        return groups

    async def _fetch_round(self, groups: dict[str | None, set[str]]) -> None:
        shared = PageBudget()
        plans = {icp_id: GroupPlan(ids, shared) for icp_id, ids in groups.items()}
        if self.by_pages:
            for icp_id, plan in plans.items():
                if icp_id is not None:
                    await self._read_pages(icp_id, plan)
        await self._read_each([resource_id for plan in plans.values() for resource_id in sorted(plan.wanted)])

    async def _read_pages(self, icp_id: str, plan: GroupPlan) -> None:
        while plan.wants_page():
            sent_at = datetime.now(UTC)
            try:
                page = await self.reader.read_page(self.client, icp_id, plan.next_page, PAGE_SIZE)
            except RefusedError as error:
                if isinstance(error, AuthenticationError | PermissionDeniedError):
                    raise
                return  # a deleted ICP has no list; by id, each of its ids gets a verdict of its own
            except (MalformedBodyError, ServerError, ReplyLostError):
                return  # pages only save requests: one that fails for good must not keep its ids pending for ever
            self.done.pages += 1
            self.batch.read_since = min(self.batch.read_since, sent_at)
            settled = plan.record({item.id for item in page.items}, page.total or 0)
            taken = [item for item in page.items if item.id in settled]
            self.batch.rows += [self.reader.row(item) for item in taken]
            self.batch.size += sum(len(item.payload) for item in taken)
            await self._hand_over_if_full()
            if not page.items:
                return
