"""Erases people without activity, as ``retention`` in tasks.yaml says. Free, and most days there is nobody."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from linkt_pipeline.assets.erasure import finish_erasures
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.erasure.retention import inactive_people, remove_inactive
from linkt_pipeline.warehouse.queries import erasure_is_pending

ERASE_INACTIVE_PEOPLE = "erase_inactive_people"


def build_retention(
    placement: Placement,
    backend: Backend,
    keep: timedelta,
    timezone: str,
    *,
    shared: bool,
) -> dg.Definitions:
    """Job ``erase_inactive_people`` and its daily schedule, created running unless the instance is a host's.

    Args:
        placement: where they stand.
        backend: the deployment.
        keep: how long people are kept after the last activity.
        timezone: of the schedule.
        shared: others have definitions in the code location.
    """
    job_name = placement.name(ERASE_INACTIVE_PEOPLE)

    @dg.op(name=placement.op(ERASE_INACTIVE_PEOPLE), pool=placement.pool)
    def erase_op(context: dg.OpExecutionContext) -> None:
        """Erases people without activity, and finishes erasures that were begun before."""
        people = remove_inactive(backend.warehouse, datetime.now(UTC), keep)
        done = finish_erasures(backend.settings, context.log.info)
        for note in {note for each in done.values() for note in each.notes}:
            context.log.warning(note)
        context.log.info(f"{people} people without activity for {keep.days} days are erased")

    @dg.job(
        name=job_name,
        executor_def=dg.in_process_executor,
        description=f"Free: erases people without activity for {keep.days} days (retention in tasks.yaml).",
    )
    def erase_job() -> None:
        erase_op()

    def look(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if not backend.warehouse.exists:
            return dg.SkipReason("there is no warehouse yet")
        try:
            with backend.warehouse.read() as con:
                due = erasure_is_pending(con) or bool(inactive_people(con, datetime.now(UTC), keep))
        except LinktPipelineError as error:
            return dg.SkipReason(str(error))
        return dg.RunRequest() if due else dg.SkipReason("everybody was active")

    schedule = dg.ScheduleDefinition(
        name=f"{job_name}_daily",
        cron_schedule="23 2 * * *",
        job_name=job_name,
        execution_fn=look,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED if shared else dg.DefaultScheduleStatus.RUNNING,
        description="Free: starts erase_inactive_people if anybody is to be erased.",
    )
    return dg.Definitions(jobs=[erase_job], schedules=[schedule])
