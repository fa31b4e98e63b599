"""Deletes old Dagster runs by itself, at no cost. Most days there is nothing to delete, and nothing is started."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from linkt_pipeline.assets.instance_files import finish_deletions, give_space_back
from linkt_pipeline.assets.old_runs import DELETE_OLD_RUNS, REPOSITORY_TAG, Retention, delete_runs
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.errors import LinktPipelineError

_GOING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]


def retention_of(
    placement: Placement, backend: Backend, assets: Sequence[dg.AssetsDefinition], *, shared: bool = False
) -> Retention:
    """What ``LINKT_KEEP_RUNS_DAYS`` says, for these assets."""
    keep = timedelta(days=backend.settings.keep_runs_days)
    return Retention(placement, tuple(assets), backend.warehouse, keep, shared)


def build_housekeeping(retention: Retention) -> dg.Definitions:
    """Job ``delete_old_runs`` and its schedule, created running because it is free, unless the instance is a host's."""
    job_name = retention.placement.name(DELETE_OLD_RUNS)

    @dg.op(name=retention.placement.op("delete_runs"))
    def delete(context: dg.OpExecutionContext) -> None:
        """Deletes the runs, and gives the unused space back to the disk."""
        repository = context.run.tags.get(REPOSITORY_TAG)
        old = retention.find(context.instance, datetime.now(UTC), repository=repository)
        _delete(context.instance, [*old, *_predecessors(context.instance, context.run, repository)], going=1)
        context.log.info(f"{len(old)} runs were old enough and are deleted")

    @dg.job(
        name=job_name,
        executor_def=dg.in_process_executor,
        description=f"Free: deletes Dagster runs of the free part that ended {retention.keep.days} days ago or longer "
        "(LINKT_KEEP_RUNS_DAYS), and paid ones after a year.",
    )
    def delete_old_runs() -> None:
        delete()

    def look(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            old = retention.find(context.instance, datetime.now(UTC), at_most=1)
        except LinktPipelineError as error:
            return dg.SkipReason(str(error))
        return dg.RunRequest() if old else dg.SkipReason("no run is old enough")

    status = dg.DefaultScheduleStatus.STOPPED if retention.shared else dg.DefaultScheduleStatus.RUNNING
    schedule = dg.ScheduleDefinition(
        name=f"{job_name}_daily",
        cron_schedule="17 3 * * *",
        job_name=job_name,
        execution_fn=look,
        default_status=status,
        description="Free: starts delete_old_runs if there is a run to delete.",
    )
    return dg.Definitions(jobs=[delete_old_runs], schedules=[schedule])


def delete_some_old_runs(instance: dg.DagsterInstance, retention: Retention, repository: str, at_most: int) -> None:
    """The same for a command, at its end and without a Dagster run: without a daemon no schedule runs."""
    if old := retention.find(instance, datetime.now(UTC), repository=repository, at_most=at_most):
        _delete(instance, old, going=0)


def _delete(instance: dg.DagsterInstance, run_ids: list[str], *, going: int) -> None:
    """Delete runs, and give space back if at most ``going`` runs go on: the others would have to wait meanwhile."""
    delete_runs(instance, run_ids)
    finish_deletions(instance)
    if instance.get_runs_count(dg.RunsFilter(statuses=_GOING)) <= going:
        give_space_back(instance)


def _predecessors(instance: dg.DagsterInstance, this: dg.DagsterRun, repository: str | None) -> list[str]:
    """Earlier successful runs of the job, which it deletes too: so the job leaves one run, however often it has run."""
    filters = dg.RunsFilter(job_name=this.job_name, statuses=[dg.DagsterRunStatus.SUCCESS])
    return [
        run.run_id
        for run in instance.get_runs(filters)
        if run.run_id != this.run_id and run.tags.get(REPOSITORY_TAG) == repository
    ]
