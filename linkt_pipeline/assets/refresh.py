"""Reads what is known again, so that what was changed or deleted in Linkt's own screens arrives. Free."""

import asyncio

import dagster as dg

from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.collection.refresh import Refreshed, refresh_entities


def refresh(context: dg.AssetExecutionContext | dg.OpExecutionContext, backend: Backend) -> Refreshed:
    """One refresh with half of the day's requests at most; told in the log of the step."""

    async def work() -> Refreshed:
        async with backend.client(leaves_half=True) as client:
            return await refresh_entities(client, backend.warehouse, log=context.log.info)

    refreshed = asyncio.run(work())
    counts = refreshed.counts
    context.log.info(
        f"{counts['refreshed_icps']} ICPs refreshed with {counts['refresh_requests']} requests: "
        f"{counts['refreshed_new']} new, {counts['refreshed_changed']} changed, {counts['deleted']} deleted, "
        f"{counts['restored']} restored"
    )
    for warning in refreshed.warnings:
        context.log.warning(warning)
    return refreshed
