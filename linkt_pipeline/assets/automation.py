"""Jobs, schedules and sensors: what runs by itself, and what never does.

Only a person, a schedule that a person switched on, or the command start the paid asset. Everything after it follows
new data by declarative automation.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from linkt_pipeline.assets.executions import EXECUTIONS
from linkt_pipeline.assets.resources import LinktResource, WarehouseResource
from linkt_pipeline.collection.idle import PATIENCE, find_work
from linkt_pipeline.display import shown
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.permissions import PUBLISHED
from linkt_pipeline.tasks import TaskSpec
from linkt_pipeline.warehouse.file import Warehouse

EXECUTE_AND_PUBLISH = "execute_and_publish"
SYNC_AND_PUBLISH = "sync_and_publish"
_SYNC_EVERY_SECONDS = 15 * 60
_STARTED_BY = "linkt/started_by"
_BECAUSE = "linkt/because"
_GOING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]

_FREE = dg.AssetSelection.all() - dg.AssetSelection.assets(EXECUTIONS)


def build_automation(tasks: Mapping[str, TaskSpec], mark_of_code: Callable[[], str]) -> dg.Definitions:
    """Jobs ``execute_and_publish`` (a partition per task) and ``sync_and_publish`` (free), schedules and sensors.

    Args:
        tasks: the entries of tasks.yaml; each that has a schedule gets one, created stopped because it spends credits.
        mark_of_code: gives the mark of sql/, tasks.yaml and this package as they are now.
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
        sensors=[_collector(mark_of_code), collect_after_failure, follow_new_data],
    )


def was_paid(run: dg.DagsterRun) -> bool:
    """Whether a Dagster run held the paid asset; the command lands after its own failures by itself."""
    if run.tags.get(_STARTED_BY) == "command":
        return False
    if run.asset_selection is None:
        return run.job_name == EXECUTE_AND_PUBLISH
    return EXECUTIONS in run.asset_selection


def _collector(mark_of_code: Callable[[], str]) -> dg.SensorDefinition:
    @dg.sensor(
        job_name=SYNC_AND_PUBLISH,
        minimum_interval_seconds=_SYNC_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Free: lands runs that Linkt schedules or the dashboard started. Costs one API request a tick, and "
        "one more for each run that goes on.",
    )
    def collect_runs_started_elsewhere(
        context: dg.SensorEvaluationContext, linkt: LinktResource, warehouse: WarehouseResource
    ) -> dg.RunRequest | dg.SkipReason:
        """Requests ``sync_and_publish`` if there is anything to do and the last one is not still going."""
        if context.instance.get_runs_count(dg.RunsFilter(job_name=SYNC_AND_PUBLISH, statuses=_GOING)):
            return dg.SkipReason("the last collection is still going")
        work = _find_work(linkt, warehouse.warehouse, mark_of_code)
        if work is None:
            return dg.SkipReason("nothing new")
        return dg.RunRequest(run_key=datetime.now(UTC).isoformat(timespec="seconds"), tags={_BECAUSE: shown(work, 200)})

    return collect_runs_started_elsewhere


def _find_work(linkt: LinktResource, warehouse: Warehouse, mark_of_code: Callable[[], str]) -> str | None:
    """What there is to do. Whatever keeps the look from an answer is met again, and told, by the sync."""
    connect = partial(linkt.client, warehouse, retry_for=PATIENCE, writes=False)
    try:
        return find_work(warehouse, warehouse.path.parent / PUBLISHED, mark_of_code, connect)
    except LinktPipelineError as error:
        return str(error)


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


def run_key_of(tick: datetime) -> str:
    """The run key of a schedule's tick: one that is evaluated twice buys once.

    In UTC, because the clocks of a zone show one hour twice in the night they are set back.
    """
    return f"{tick.astimezone(UTC):%Y%m%dT%H%M}"


def _schedule(name: str, task: TaskSpec) -> dg.ScheduleDefinition:
    def request(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=run_key_of(context.scheduled_execution_time), partition_key=task.key)

    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=str(task.schedule),
        job_name=EXECUTE_AND_PUBLISH,
        execution_fn=request,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        execution_timezone=task.timezone,
        description=f"Costs credits: executes {task.key} and publishes what it found.",
    )
