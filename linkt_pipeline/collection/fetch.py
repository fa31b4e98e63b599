"""Fetch every pending entity or signal and land it. An id that can't be read now simply stays pending."""

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
from linkt_pipeline.collection.lander import DEFAULT_LIMITS, Fetched, Lander, Limits, Progress, landing
from linkt_pipeline.collection.organization import Organization
from linkt_pipeline.collection.planner import PAGE_SIZE, GroupPlan, PageBudget
from linkt_pipeline.collection.reading import CONCURRENCY, Reader
from linkt_pipeline.collection.resources import Resource
from linkt_pipeline.warehouse.landing import reopen_resources
from linkt_pipeline.warehouse.queries import pending_resources
from linkt_pipeline.warehouse.warehouse import Warehouse


async def fetch_pending(
    client: LinktClient,
    warehouse: Warehouse,
    resource: Resource,
    *,
    retry_settled: bool = False,
    progress: Progress = lambda _: None,
    concurrency: int = CONCURRENCY,
    by_pages: bool = True,
    limits: Limits = DEFAULT_LIMITS,
) -> Fetched:
    """Settle every id of a resource that is pending now as landed, missing (404) or rejected (kept with its payload).

    Args:
        client: the API.
        warehouse: holds ``run_resources`` and receives the rows.
        resource: ``ENTITIES`` or ``SIGNALS``.
        retry_settled: ask again for ids that were missing or rejected before.
        progress: called after every landed batch.
        concurrency: requests in flight.
        by_pages: allow list pages where they save requests; the result is the same.
        limits: how much is held in memory.

    Raises:
        OtherOrganizationError: the key shows nothing of what the warehouse knows; nothing was settled.
        LinktApiError: the API can't be reached or refuses the key. What was fetched is landed, the rest stays
            pending and is fetched by the next call.
    """
    if retry_settled:
        await asyncio.to_thread(_make_pending_again, warehouse, resource)
    organization = Organization(client, warehouse)
    tried: set[str] = set()  # an id that was tried is not tried again in this fetch
    async with landing(warehouse, resource, organization, limits=limits, progress=progress) as lander:
        reader = Reader(client, lander, concurrency)
        is_last = False
        while not is_last:
            most = limits.pending + len(lander.done.failures)  # what failed is still pending and comes again
            groups, is_last = await lander.on_thread(_pending, warehouse, lander, most, tried)
            shared = PageBudget()
            plans = {icp_id: GroupPlan(ids, shared) for icp_id, ids in groups.items()}
            for icp_id, plan in plans.items():
                if by_pages and icp_id is not None:
                    await _read_pages(client, lander, icp_id, plan)
            await reader.read(resource_id for plan in plans.values() for resource_id in sorted(plan.wanted))
            await lander.flush()
    return lander.done


def _make_pending_again(warehouse: Warehouse, resource: Resource) -> None:
    with warehouse.write() as con:
        reopen_resources(con, resource.kind)


def _pending(
    warehouse: Warehouse, lander: Lander, most: int, tried: set[str]
) -> tuple[dict[str | None, set[str]], bool]:
    """The next ids to settle, by ICP, and whether they are the last. From now on these ids count as tried."""
    with warehouse.read() as con:
        pending = pending_resources(con, lander.resource.kind, most)
    groups: dict[str | None, set[str]] = {}
    for (icp_id,), named in pending.group_by("icp_id", maintain_order=True):
        if ids := set(named["resource_id"]) - tried:
            lander.witness = named["run_id"][0]
            tried |= ids
            groups[icp_id] = ids
    lander.done.pending += sum(map(len, groups.values()))
    return groups, not groups or len(pending) < most


async def _read_pages(client: LinktClient, lander: Lander, icp_id: str, plan: GroupPlan) -> None:
    while plan.wants_page():
        asked_at = datetime.now(UTC)
        try:
            page = await lander.resource.read_page(client, icp_id, plan.next_page, PAGE_SIZE)
        except RefusedError as error:
            if isinstance(error, AuthenticationError | PermissionDeniedError):
                raise
            return  # a deleted ICP has no list; a single read gives each of its ids a verdict
        except (MalformedBodyError, ServerError, ReplyLostError):
            return  # pages only save requests: one that fails for good must not keep its ids pending for ever
        lander.done.pages += 1
        settled = plan.record({item.id for item in page.items}, page.total or 0)
        await lander.take([lander.resource.row(item, asked_at) for item in page.items if item.id in settled])
        if not page.items:
            return
