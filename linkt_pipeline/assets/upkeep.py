"""Keeps a warehouse small and quick by itself, where its engine needs that. A day without news starts nothing."""

import dagster as dg

from linkt_pipeline.assets.old_runs import MAINTAIN_LAKE
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.state import last_change, read_state, write_state

_MAINTAINED = "maintained_change"


def build_upkeep(placement: Placement, backend: Backend, *, shared: bool) -> dg.Definitions:
    """Job ``maintain_lake`` and its daily schedule, created running unless the instance is a host's.

    Nothing is defined for a warehouse that needs no upkeep.

    Args:
        placement: where they stand.
        backend: the deployment.
        shared: others have definitions in the code location.
    """
    warehouse = backend.warehouse
    if not warehouse.needs_upkeep:
        return dg.Definitions()
    job_name = placement.name(MAINTAIN_LAKE)

    @dg.op(name=placement.op(MAINTAIN_LAKE), pool=placement.pool)
    def maintain_op(context: dg.OpExecutionContext) -> None:
        """Merges small files, and gives up old snapshots with the files that only they read."""
        with warehouse.read() as con:
            change = last_change(con)
        done = warehouse.compact()
        with warehouse.write(news=False) as con:
            write_state(con, _MAINTAINED, change)
        context.log.info(f"{done.before / 1e6:.1f} MB of files became {done.after / 1e6:.1f} in {done.seconds:.1f} s")

    @dg.job(
        name=job_name,
        executor_def=dg.in_process_executor,
        description="Free: merges small files of the lake, and gives up snapshots older than LINKT_LAKE_KEEP_DAYS.",
    )
    def maintain_job() -> None:
        maintain_op()

    def look(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            if not warehouse.exists:
                return dg.SkipReason("there is no warehouse yet")
            with warehouse.read() as con:
                is_maintained = last_change(con) == read_state(con, _MAINTAINED)
        except LinktPipelineError as error:
            return dg.SkipReason(str(error))
        return dg.SkipReason("nothing has changed since the last time") if is_maintained else dg.RunRequest()

    schedule = dg.ScheduleDefinition(
        name=f"{job_name}_daily",
        cron_schedule="41 3 * * *",
        job_name=job_name,
        execution_fn=look,
        default_status=dg.DefaultScheduleStatus.STOPPED if shared else dg.DefaultScheduleStatus.RUNNING,
        description="Free: starts maintain_lake if anything has changed since.",
    )
    return dg.Definitions(jobs=[maintain_job], schedules=[schedule])
