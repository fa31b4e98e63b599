"""Jobs, schedules and sensors: what runs by itself, and what never does.

Only a person, a schedule that a person switched on, or the command start the paid asset. Everything after it follows
new data by declarative automation.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from linkt_pipeline.assets.executions import EXECUTIONS
from linkt_pipeline.config import TaskSpec

EXECUTE_AND_PUBLISH = "execute_and_publish"
SYNC_AND_PUBLISH = "sync_and_publish"
_SYNC_EVERY_SECONDS = 15 * 60

_PAID = dg.AssetSelection.assets(EXECUTIONS)
_FREE = dg.AssetSelection.all() - _PAID


def build_jobs() -> list[UnresolvedAssetJobDefinition]:
    """``execute_and_publish`` (a partition per task) and ``sync_and_publish`` (free)."""
    return [
        dg.define_asset_job(
            EXECUTE_AND_PUBLISH,
            dg.AssetSelection.all(),
            description="Costs credits: execute the selected tasks, land what they found, transform and publish it.",
        ),
        dg.define_asset_job(
            SYNC_AND_PUBLISH,
            _FREE,
            description="Free: collect runs started elsewhere and everything pending, transform and publish it.",
        ),
    ]


def build_schedules(
    tasks: Mapping[str, TaskSpec], jobs: Sequence[UnresolvedAssetJobDefinition]
) -> list[dg.ScheduleDefinition]:
    """One schedule per task that has one in tasks.yaml; created stopped, because it spends credits."""
    execute = next(job for job in jobs if job.name == EXECUTE_AND_PUBLISH)
    return [_schedule(task, execute) for task in tasks.values() if task.schedule]


def _schedule(task: TaskSpec, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        # The tick's time as run key: a tick that is evaluated twice buys once.
        return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y%m%dT%H%M}", partition_key=task.key)

    return dg.ScheduleDefinition(
        name=f"execute_{task.key.replace('-', '_')}",
        cron_schedule=str(task.schedule),
        job=job,
        execution_fn=evaluate,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        execution_timezone="UTC",
        description=f"Costs credits: executes {task.key} and publishes what it found.",
    )


def build_sensors(jobs: Sequence[UnresolvedAssetJobDefinition]) -> list[dg.SensorDefinition]:
    """What keeps the free part up to date."""
    sync = next(job for job in jobs if job.name == SYNC_AND_PUBLISH)
    execute = next(job for job in jobs if job.name == EXECUTE_AND_PUBLISH)

    @dg.sensor(
        job=sync,
        name="collect_runs_started_elsewhere",
        minimum_interval_seconds=_SYNC_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Free: lands runs that Linkt schedules or the dashboard started. Costs a few API requests a tick.",
    )
    def collect_runs_started_elsewhere(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        going = context.instance.get_runs_count(
            dg.RunsFilter(
                job_name=SYNC_AND_PUBLISH,
                statuses=[
                    dg.DagsterRunStatus.QUEUED,
                    dg.DagsterRunStatus.NOT_STARTED,
                    dg.DagsterRunStatus.STARTING,
                    dg.DagsterRunStatus.STARTED,
                ],
            )
        )
        if going:
            return dg.SkipReason("the last collection is still going")
        return dg.RunRequest(run_key=datetime.now(UTC).isoformat(timespec="seconds"))

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.FAILURE,
        monitored_jobs=[execute],
        request_job=sync,
        name="collect_after_failure",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Free: when some task of an execution failed, lands what it and the others found all the same.",
    )
    def collect_after_failure(context: dg.RunStatusSensorContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=context.dagster_run.run_id)

    automation = dg.AutomationConditionSensorDefinition(
        "follow_new_data",
        target=_FREE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Free: rebuilds what is downstream of new data, and the snapshot.",
    )
    return [collect_runs_started_elsewhere, collect_after_failure, automation]
