"""Jobs, schedules and sensors: what runs by itself, and what never does.

Only a person, a schedule that a person switched on, or the command starts the paid asset. Everything downstream follows
new data by declarative automation.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial

import dagster as dg

from linkt_pipeline.assets.askers import is_started_by_command
from linkt_pipeline.assets.ingests import build_ingest_watcher
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.refresh import build_refresh_job, build_refresh_schedule
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.collection.idle import PATIENCE, find_work
from linkt_pipeline.collection.unfinished import is_all_built
from linkt_pipeline.display import shown
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.tasks import TaskSpec

EXECUTE_AND_PUBLISH = "execute_and_publish"
INGEST_AND_PUBLISH = "ingest_and_publish"
SYNC_AND_PUBLISH = "sync_and_publish"
_SYNC_EVERY_SECONDS = 15 * 60
_BECAUSE = "linkt/because"
_GOING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


class Automation(StrEnum):
    """What of a deployment happens by itself."""

    OWN = "own"
    """Schedules and sensors of its own. ``follow_new_data`` is the automation sensor of its assets."""
    CONDITIONS = "conditions"
    """The same without ``follow_new_data``: an automation sensor of the host selects the assets."""
    NONE = "none"
    """Nothing: neither schedules nor sensors nor conditions."""


def build_automation(
    placement: Placement,
    backend: Backend,
    tasks: Mapping[str, TaskSpec],
    keys: Collection[dg.AssetKey],
    mark_of_code: Callable[[], str],
    automation: Automation = Automation.OWN,
    timezone: str = "UTC",
) -> dg.Definitions:
    """Jobs ``execute_and_publish`` (a partition per task), ``ingest_and_publish`` (one per file), and free ones.

    Their schedules and sensors come with them. They select our assets by name: a code location may hold other assets,
    and "all" would select those too. One Dagster run is one process: a further process costs two seconds and 190 MB,
    and competes for the DuckDB file.

    Args:
        placement: where the assets stand.
        backend: their API and warehouse.
        tasks: the entries of tasks.yaml; each that has a schedule gets one, created stopped because it spends credits.
        keys: of all assets of the deployment.
        mark_of_code: gives the mark of sql/, tasks.yaml and this package as they are now.
        automation: what happens by itself.
        timezone: of what belongs to no task.
    """
    free = dg.AssetSelection.assets(*(key for key in keys if key not in placement.paid))
    execute = dg.define_asset_job(
        placement.name(EXECUTE_AND_PUBLISH),
        free | dg.AssetSelection.assets(placement.executions),
        executor_def=dg.in_process_executor,
        description="Costs credits: execute the selected tasks, land what they found, transform and publish it.",
    )
    ingest = dg.define_asset_job(
        placement.name(INGEST_AND_PUBLISH),
        free | dg.AssetSelection.assets(placement.ingests),
        executor_def=dg.in_process_executor,
        description="Costs credits: ingest the selected files, land what their runs found, transform and publish it.",
    )
    sync = dg.define_asset_job(
        placement.name(SYNC_AND_PUBLISH),
        free,
        executor_def=dg.in_process_executor,
        description="Free: collect runs started elsewhere and everything pending, transform and publish it.",
    )
    refresh = build_refresh_job(placement, backend)
    if automation is Automation.NONE:
        return dg.Definitions(jobs=[execute, ingest, sync, refresh])

    @dg.run_failure_sensor(
        name=placement.name("collect_after_failure"),
        request_job=sync,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Free: when some task of an execution failed, lands what it and the others found all the same.",
    )
    def collect_after_failure(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
        if not was_paid(placement, context.dagster_run):
            return dg.SkipReason("nothing was executed in this run")
        return dg.RunRequest(run_key=context.dagster_run.run_id)

    @dg.run_status_sensor(
        name=placement.name("publish_refreshed_entities"),
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[refresh],
        request_job=sync,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Free: builds and publishes what a refresh has changed.",
    )
    def publish_refreshed_entities(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        if is_all_built(backend.warehouse):
            return dg.SkipReason("nothing has changed")
        return dg.RunRequest(run_key=context.dagster_run.run_id, tags={_BECAUSE: "a refresh has changed rows"})

    sensors = [
        _collector(placement, backend, mark_of_code),
        collect_after_failure,
        publish_refreshed_entities,
        build_ingest_watcher(placement, backend, tasks),
    ]
    if automation is Automation.OWN:
        sensors.append(_follower(placement, free))
    schedules = [*_schedules(placement, tasks), build_refresh_schedule(placement, backend, timezone)]
    return dg.Definitions(jobs=[execute, ingest, sync, refresh], schedules=schedules, sensors=sensors)


def _follower(placement: Placement, free: dg.AssetSelection) -> dg.SensorDefinition:
    return dg.AutomationConditionSensorDefinition(
        placement.name("follow_new_data"),
        target=free,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Free: rebuilds what is downstream of new data, and the snapshot.",
    )


def was_paid(placement: Placement, run: dg.DagsterRun) -> bool:
    """Whether a Dagster run held the paid asset; the command lands after its own failures by itself."""
    if is_started_by_command(run):
        return False
    if run.asset_selection is None:
        return run.job_name in map(placement.name, (EXECUTE_AND_PUBLISH, INGEST_AND_PUBLISH))
    return not run.asset_selection.isdisjoint(placement.paid)


def _collector(placement: Placement, backend: Backend, mark_of_code: Callable[[], str]) -> dg.SensorDefinition:
    job_name = placement.name(SYNC_AND_PUBLISH)

    @dg.sensor(
        name=placement.name("collect_runs_started_elsewhere"),
        job_name=job_name,
        minimum_interval_seconds=_SYNC_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Free: lands runs that Linkt schedules or the dashboard started. Costs one API request a tick, and "
        "one more for each run that goes on.",
    )
    def collect_runs_started_elsewhere(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Requests ``sync_and_publish`` if there is anything to do and the last one is not still going."""
        if context.instance.get_runs_count(dg.RunsFilter(job_name=job_name, statuses=_GOING)):
            return dg.SkipReason("the last collection is still going")
        work = _find_work(backend, mark_of_code)
        if work is None:
            return dg.SkipReason("nothing new")
        return dg.RunRequest(run_key=datetime.now(UTC).isoformat(timespec="seconds"), tags={_BECAUSE: shown(work, 200)})

    return collect_runs_started_elsewhere


def _find_work(backend: Backend, mark_of_code: Callable[[], str]) -> str | None:
    """What there is to do. If the look fails, a sync follows, meets the same error and reports it."""
    connect = partial(backend.client, retry_for=PATIENCE, writes=False)
    try:
        return find_work(backend.warehouse, backend.settings.published_dir, mark_of_code, connect)
    except LinktPipelineError as error:
        return str(error)


def _schedules(placement: Placement, tasks: Mapping[str, TaskSpec]) -> Iterator[dg.ScheduleDefinition]:
    names: set[str] = set()
    for task in tasks.values():
        if not task.schedule:
            continue
        name = placement.name(f"execute_{task.key}")  # without hyphens, so `a-b` and `a_b` would clash
        while name in names:
            name += "_"
        names.add(name)
        yield _schedule(name, placement.name(EXECUTE_AND_PUBLISH), task)


def run_key_of(tick: datetime) -> str:
    """The run key of a schedule's tick: a tick that is evaluated twice buys once.

    The key is in UTC, because the clocks of a zone show one hour twice in the night when they are set back.
    """
    return f"{tick.astimezone(UTC):%Y%m%dT%H%M}"


def _schedule(name: str, job_name: str, task: TaskSpec) -> dg.ScheduleDefinition:
    def request(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=run_key_of(context.scheduled_execution_time), partition_key=task.key)

    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=str(task.schedule),
        job_name=job_name,
        execution_fn=request,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        execution_timezone=task.timezone,
        description=f"Costs credits: executes {task.key} and publishes what it found.",
    )
