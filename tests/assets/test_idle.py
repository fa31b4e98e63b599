"""Nothing new is no Dagster run; and what did not come to its end is never taken for nothing new."""

import asyncio
import multiprocessing
import os
import pkgutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from linkt_pipeline.access.client import connect
from linkt_pipeline.assets.automation import SYNC_AND_PUBLISH
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.refresh import build_refresh_schedule
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.code_mark import mark_of_code
from linkt_pipeline.collection.idle import find_work
from linkt_pipeline.sandbox.world.reference_data import PROFILE_TASK, SAAS, SEARCH_TASK
from linkt_pipeline.settings import load_settings
from tests.assets.conftest import copied_sql
from tests.assets.deployment import Deployment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own_sql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of sql/ that a test may change; each puts it right again."""
    yield from copied_sql(tmp_path_factory.mktemp("project") / "sql")


@pytest.fixture(scope="module")
def executed(running: Deployment, own_sql: Path) -> Deployment:
    """A deployment that has executed a task."""
    assert running.run("execute_and_publish", partitions=("news",)).success
    assert work(running) is None
    return running


@pytest.fixture
def idle(executed: Deployment) -> Deployment:
    """The same, with nothing to do: whatever the last test has left is done by one sync."""
    if work(executed) is not None:
        assert executed.run("sync_and_publish").success
        assert work(executed) is None
    return executed


def work(deployment: Deployment) -> str | None:
    """What there is to do."""
    settings = deployment.settings
    client = partial(connect, settings.base_url, settings.require_api_key(), deployment.warehouse, writes=False)
    mark = partial(mark_of_code, settings.sql_dirs, settings.active_tasks_file)
    return find_work(deployment.warehouse, settings.published_dir, mark, client)


@pytest.fixture(scope="module")
def repository(executed: Deployment) -> dg.RepositoryDefinition:
    return executed.definitions.get_repository_def()


def tick(repository: dg.RepositoryDefinition, instance: dg.DagsterInstance) -> SensorExecutionData:
    """One evaluation of the sensor, as the daemon makes it."""
    context = dg.build_sensor_context(instance=instance, repository_def=repository)
    return repository.get_sensor_def("collect_runs_started_elsewhere").evaluate_tick(context)


def files(deployment: Deployment) -> dict[str, tuple[int, int]]:
    """Size and time of every file of the deployment but the one for looks."""
    paths = [path for path in deployment.settings.root.rglob("*") if path.is_file() and path.name != "idle.json"]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def test_after_a_paid_run_that_was_published_the_sensor_skips_and_writes_nothing(
    idle: Deployment, repository: dg.RepositoryDefinition
) -> None:
    before, runs = files(idle), idle.instance.get_runs_count()

    skipped = tick(repository, idle.instance)

    assert not skipped.run_requests
    assert skipped.skip_message == "nothing new"
    assert idle.instance.get_runs_count() == runs
    assert files(idle) == before


def test_the_sensor_requests_a_sync_that_says_why_unless_one_is_going(
    idle: Deployment, repository: dg.RepositoryDefinition
) -> None:
    theirs = idle.sandbox.world.execute(PROFILE_TASK, SAAS, {}, at=time.time() - 600)
    [request] = tick(repository, idle.instance).run_requests
    assert request.tags["linkt/because"] == f"run {theirs.id} has ended (COMPLETED)"
    assert repository.get_sensor_def("collect_runs_started_elsewhere").job_name == SYNC_AND_PUBLISH

    with dg.DagsterInstance.ephemeral() as instance:
        run_id, status = "5f0b8a52-0000-4000-8000-000000000001", dg.DagsterRunStatus.STARTED
        instance.add_run(dg.DagsterRun(job_name=SYNC_AND_PUBLISH, run_id=run_id, status=status))
        waiting = tick(repository, instance)
    assert not waiting.run_requests
    assert "still going" in str(waiting.skip_message)


def test_the_sensor_requests_a_sync_where_the_api_does_not_answer(
    idle: Deployment, repository: dg.RepositoryDefinition
) -> None:
    idle.sandbox.inject("http_401@list_runs*1")
    [request] = tick(repository, idle.instance).run_requests
    assert "401" in request.tags["linkt/because"]


def test_a_run_that_goes_on_elsewhere_is_remembered_without_a_dagster_run(
    idle: Deployment, repository: dg.RepositoryDefinition
) -> None:
    idle.sandbox.inject("paused_run")
    theirs = idle.sandbox.world.execute(PROFILE_TASK, SAAS, {})

    assert tick(repository, idle.instance).skip_message == "nothing new"
    [(cursor,)] = idle.rows("select value from linkt.sync_state where name = 'runs'")
    assert theirs.id in cursor

    idle.sandbox.world.cancel(theirs.id)
    assert len(tick(repository, idle.instance).run_requests) == 1


def test_some_of_the_assets_are_no_sync(idle: Deployment) -> None:
    with idle.warehouse.write():
        pass  # rows are landed
    assert idle.run("sync_and_publish", assets=["marts/companies", "published/snapshot"]).success
    assert work(idle) is not None


WRONG = {
    "a failed model": (
        "marts/wrong.sql",
        "-- description: Wrong.\n-- grain: one row.\n-- materialized: table\nselect error('no') as x from linkt.runs\n",
    ),
    "a failed check that holds nothing back": (
        "checks/wrong.sql",
        "-- description: Wrong.\n-- model: linkt.runs\n-- severity: error\nselect no_such_column from linkt.runs\n",
    ),
    "a model in quarantine": ("marts/wrong.sql", "select\n"),
}


@pytest.mark.parametrize(("name", "text"), WRONG.values(), ids=WRONG)
def test_after_something_has_failed_there_is_something_to_do(
    executed: Deployment, own_sql: Path, name: str, text: str
) -> None:
    (own_sql / name).write_text(text)
    try:
        executed.run("sync_and_publish")
        assert "did not come to its end" in str(work(executed))
    finally:
        (own_sql / name).unlink()


# --- kill -9

STEPS = {
    "right after it began": "linkt_pipeline.assets.landed.begin_sync",
    "when runs are landed": "linkt_pipeline.assets.landed.collect_runs",
    "when all else is landed": "linkt_pipeline.assets.models.last_change",
    "when the models are built": "linkt_pipeline.assets.models.all_models_are_built",
    "when the snapshot is in place": "linkt_pipeline.ledger.ledger.Ledger.deliver_published",
}


def _sync_and_die(step: str, sql: Path, folder: Path) -> None:
    """A sync that is killed right after a function has done its work."""
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.local_temp(str(folder / "killed")) as instance:
        patch.setenv("LINKT_SQL_DIR", str(sql))
        done = pkgutil.resolve_name(step)

        def kill() -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        async def do_async(*args: object, **options: object) -> None:
            await done(*args, **options)
            kill()

        def do(*args: object, **options: object) -> None:
            done(*args, **options)
            kill()

        patch.setattr(step, do_async if asyncio.iscoroutinefunction(done) else do)
        Deployment(None, folder, instance).run("sync_and_publish")  # type: ignore[arg-type]


def test_a_sync_that_is_killed_between_two_steps_leaves_something_to_do_and_nothing_is_lost(
    idle: Deployment, own_sql: Path
) -> None:
    theirs = idle.sandbox.world.execute(SEARCH_TASK, SAAS, {"num_results": 3}, at=time.time() - 600)
    (idle.folder / "killed").mkdir()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.assets.test_idle", "linkt_pipeline.assets.location"])
    for moment, step in STEPS.items():
        process = context.Process(target=_sync_and_die, args=(step, own_sql, idle.folder))
        process.start()
        process.join(240)  # two cores that others use as well make a minute of it
        assert process.exitcode == -signal.SIGKILL, moment
        assert work(idle) is not None, moment

    assert idle.run("sync_and_publish").success
    assert work(idle) is None
    named = {*theirs.entities_created, *theirs.entities_updated}
    found = idle.published_rows(f"select resource_id, state from linkt.run_resources where run_id = '{theirs.id}'")
    assert dict(found) == dict.fromkeys(named, "landed")
    published = {entity_id for (entity_id,) in idle.published_rows("select entity_id from linkt.entities")}
    assert named <= published


def test_a_refresh_leads_to_a_sync_only_if_it_has_changed_something(
    idle: Deployment, repository: dg.RepositoryDefinition
) -> None:
    sensor = repository.get_sensor_def("publish_refreshed_entities")

    def after_a_refresh() -> dg.RunRequest | dg.SkipReason:
        done = idle.run("refresh_entities")
        assert done.success
        success = next(event for event in done.all_events if event.event_type is dg.DagsterEventType.RUN_SUCCESS)
        context = dg.build_run_status_sensor_context(sensor.name, success, idle.instance, done.dagster_run)
        return sensor(context)

    after_a_refresh()  # finds companies that no run has named
    [(gone,)] = idle.rows("select min(entity_id) from linkt.entities where entity_type = 'company'")
    idle.sandbox.world.own.remove("entity", gone)
    request = after_a_refresh()
    assert isinstance(request, dg.RunRequest)
    assert request.tags["linkt/because"] == "a refresh has changed rows"
    synced = idle.run("sync_and_publish")

    assert synced.success
    failed = [each.check_name for each in synced.get_asset_check_evaluations() if not each.passed]
    assert "key" not in failed
    kept = "select deleted_at is not null from linkt.entities where entity_id = "
    assert idle.published_rows(f"{kept}'{gone}'") == [(True,)]
    for table in ("staging.entities", "staging.entity_attributes", "marts.companies"):
        assert idle.published_rows(f"select count(*) from {table} where entity_id = '{gone}'") == [(0,)], table
    assert after_a_refresh().skip_message == "nothing has changed"
    assert work(idle) is None


def test_the_daily_refresh_starts_where_anything_is_known(
    idle: Deployment, repository: dg.RepositoryDefinition, tmp_path: Path
) -> None:
    schedule = repository.get_schedule_def("refresh_entities_daily")
    empty = build_refresh_schedule(Placement(), Backend(load_settings({"data_dir": tmp_path})), "Europe/Berlin")

    with dg.build_schedule_context(instance=idle.instance) as context:
        assert len(schedule.evaluate_tick(context).run_requests) == 1
        assert "nothing is known yet" in str(empty.evaluate_tick(context).skip_message)
    assert (schedule.default_status, schedule.job_name) == (dg.DefaultScheduleStatus.RUNNING, "refresh_entities")
    assert empty.execution_timezone == "Europe/Berlin"
