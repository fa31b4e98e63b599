"""Jobs, schedules and sensors: what runs by itself, and what never does.

Only a person, a schedule that a person switched on, or the command start the paid asset. Everything after it follows
new data by declarative automation.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import dagster as dg

from linkt_pipeline.assets.executions import EXECUTIONS
from linkt_pipeline.tasks import TaskSpec

EXECUTE_AND_PUBLISH = "execute_and_publish"
SYNC_AND_PUBLISH = "sync_and_publish"
_SYNC_EVERY_SECONDS = 15 * 60
_STARTED_BY = "linkt/started_by"
_GOING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]

_FREE = dg.AssetSelection.all() - dg.AssetSelection.assets(EXECUTIONS)


def build_automation(tasks: Mapping[str, TaskSpec]) -> dg.Definitions:
    """Jobs ``execute_and_publish`` (a partition per task) and ``sync_and_publish`` (free), schedules and sensors.

    Args:
        tasks: the entries of tasks.yaml; each that has a schedule gets one, created stopped because it spends credits.
    """
    execute = dg.define_asset_job(
        EXECUTE_AND_PUBLISH,
        dg.AssetSelection.all(),
        description="Costs credits: execute the selected tasks, land what they found, transform and publish it.",
    )
    sync = dg.define_asset_job(
        SYNC_AND_PUBLISH,
        _FREE,
        description="Free: collect runs started elsewhere and everything pending, transform and publish it.",
    )

    @dg.run_failure_sensor(
        name="collect_after_failure",
        request_job=sync,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Free: when some task of an execution failed, lands what it and the others found all the same.",
    )
    def collect_after_failure(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
        if not was_paid(context.dagster_run):
            return dg.SkipReason("nothing was executed in this run")
        return dg.RunRequest(run_key=context.dagster_run.run_id)

    follow_new_data = dg.AutomationConditionSensorDefinition(
        "follow_new_data",
        target=_FREE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Free: rebuilds what is downstream of new data, and the snapshot.",
    )
    return dg.Definitions(
        jobs=[execute, sync],
        schedules=list(_schedules(tasks)),
        sensors=[collect_runs_started_elsewhere, collect_after_failure, follow_new_data],
    )


def was_paid(run: dg.DagsterRun) -> bool:
    """Whether a Dagster run held the paid asset; the command lands after its own failures by itself."""
    if run.tags.get(_STARTED_BY) == "command":
        return False
    if run.asset_selection is None:
        return run.job_name == EXECUTE_AND_PUBLISH
    return EXECUTIONS in run.asset_selection


@dg.sensor(
    job_name=SYNC_AND_PUBLISH,
    minimum_interval_seconds=_SYNC_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Free: lands runs that Linkt schedules or the dashboard started. Costs a few API requests a tick.",
)
def collect_runs_started_elsewhere(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Requests ``sync_and_publish``, unless the last one is still going."""
    if context.instance.get_runs_count(dg.RunsFilter(job_name=SYNC_AND_PUBLISH, statuses=_GOING)):
        return dg.SkipReason("the last collection is still going")
    return dg.RunRequest(run_key=datetime.now(UTC).isoformat(timespec="seconds"))


def _schedules(tasks: Mapping[str, TaskSpec]) -> Iterator[dg.ScheduleDefinition]:
    names: set[str] = set()
    for task in tasks.values():
        if not task.schedule:
            continue
        name = f"execute_{task.key.replace('-', '_')}"  # Dagster's names have no hyphen, so `a-b` and `a_b` would clash
        while name in names:
            name += "_"
        names.add(name)
        yield _schedule(name, task)


def _schedule(name: str, task: TaskSpec) -> dg.ScheduleDefinition:
    def request(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        # The tick's time as run key: a tick that is evaluated twice buys once.
        return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y%m%dT%H%M}", partition_key=task.key)

    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=str(task.schedule),
        job_name=EXECUTE_AND_PUBLISH,
        execution_fn=request,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        execution_timezone=task.timezone,
        description=f"Costs credits: executes {task.key} and publishes what it found.",
    )
