"""Reads the known ICPs again, so that what was changed or deleted in Linkt's own screens arrives. Free.

The job only reads and lands: most days nothing has changed, and then nothing is built and published. Where
something has, the sensor ``publish_refreshed_entities`` requests the sync that does so.
"""

import asyncio

import dagster as dg

from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.collection.refresh import Refreshed, refresh_entities
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.queries import known_icp_ids

REFRESH_ENTITIES = "refresh_entities"


def refresh(context: dg.AssetExecutionContext | dg.OpExecutionContext, backend: Backend) -> Refreshed:
    """One refresh with half of the day's requests at most; the log of the step reports it."""

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


def build_refresh_job(placement: Placement, backend: Backend) -> dg.JobDefinition:
    """Job ``refresh_entities``."""

    # In no pool: it may read for an hour, and what is paid for is landed meanwhile.
    @dg.op(name=placement.op(REFRESH_ENTITIES))
    def refresh_op(context: dg.OpExecutionContext) -> None:
        """Reads every known ICP again."""
        refresh(context, backend)

    @dg.job(
        name=placement.name(REFRESH_ENTITIES),
        executor_def=dg.in_process_executor,
        description="Free: reads the known ICPs again, a request for each 100 entities, to see what was changed or "
        "deleted in Linkt itself.",
    )
    def refresh_job() -> None:
        refresh_op()

    return refresh_job


def build_refresh_schedule(placement: Placement, backend: Backend, timezone: str) -> dg.ScheduleDefinition:
    """Once a day, created running because it is free. A warehouse that knows no ICP yet starts nothing."""
    job_name = placement.name(REFRESH_ENTITIES)

    def look(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            with backend.warehouse.read() as con:
                is_known = bool(known_icp_ids(con))
        except LinktPipelineError as error:  # the run reports it, if it still occurs then
            is_known = backend.warehouse.exists
            context.log.warning(str(error))
        return dg.RunRequest() if is_known else dg.SkipReason("nothing is known yet that could be read again")

    return dg.ScheduleDefinition(
        name=f"{job_name}_daily",
        cron_schedule="43 4 * * *",
        job_name=job_name,
        execution_fn=look,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Free: starts refresh_entities if there is anything to read again.",
    )
