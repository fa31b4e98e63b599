"""What runs by itself: never the paid asset; everything after it."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from linkt_pipeline.assets.automation import (
    EXECUTE_AND_PUBLISH,
    INGEST_AND_PUBLISH,
    SYNC_AND_PUBLISH,
    build_automation,
    run_key_of,
    was_paid,
)
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.settings import Settings
from linkt_pipeline.tasks_yaml import load_tasks
from tests.assets.deployment import Deployment

EXECUTIONS = dg.AssetKey(["linkt", "executions"])
HERE = Placement()


@pytest.fixture(scope="module")
def definitions(running: Deployment) -> dg.Definitions:
    return running.definitions


@pytest.fixture(scope="module")
def repository(definitions: dg.Definitions) -> dg.RepositoryDefinition:
    return definitions.get_repository_def()


def sensor(repository: dg.RepositoryDefinition, name: str) -> dg.SensorDefinition:
    return repository.get_sensor_def(name)


def test_a_schedule_per_task_that_has_one_created_stopped(repository: dg.RepositoryDefinition) -> None:
    assert {found.name for found in repository.schedule_defs} == {
        "execute_search",
        "refresh_entities_daily",
        "delete_old_runs_daily",
    }
    schedule = repository.get_schedule_def("execute_search")
    assert schedule.cron_schedule == "0 6 * * 1"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == EXECUTE_AND_PUBLISH


def test_a_tick_requests_the_tasks_partition_and_the_same_tick_twice_requests_one_run(
    repository: dg.RepositoryDefinition, running: Deployment
) -> None:
    tick = datetime(2026, 11, 23, 6, tzinfo=UTC)
    schedule = repository.get_schedule_def("execute_search")
    keys = set()
    for _ in range(2):
        with dg.build_schedule_context(
            instance=running.instance, scheduled_execution_time=tick, repository_def=repository
        ) as context:
            [request] = schedule.evaluate_tick(context).run_requests
        assert request.tags["dagster/partition"] == "search"
        keys.add(request.run_key)
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("cron", "night", "ticks"),
    [
        ("30 2 * * *", datetime(2026, 3, 29), 1),  # there is no half past two
        ("30 2 * * *", datetime(2026, 10, 25), 1),  # there are two of them
        ("30 * * * *", datetime(2026, 3, 29), 23),
        ("30 * * * *", datetime(2026, 10, 25), 25),
    ],
)
def test_a_buy_at_night_happens_once_when_the_clocks_are_set(cron: str, night: datetime, ticks: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin, end = (moment.replace(tzinfo=zone).timestamp() for moment in (night, night + timedelta(days=1)))
    times = list(
        itertools.takewhile(
            lambda tick: tick.timestamp() < end,
            schedule_execution_time_iterator(begin, cron, str(zone), ascending=True),
        )
    )
    assert len(times) == ticks
    assert len({run_key_of(tick) for tick in times}) == ticks


def test_names_that_differ_in_a_hyphen_get_schedules_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text(
        "tasks:\n"
        '  a-b: {task_id: 6964b9b45a4d0beef1000031, schedule: "0 6 * * 1"}\n'
        '  a_b: {task_id: 6964b9b45a4d0beef1000032, schedule: "0 7 * * 1"}\n'
    )
    schedules = build_automation(HERE, Backend(Settings()), load_tasks(file), [EXECUTIONS], str).schedules
    assert len({schedule.name for schedule in schedules if schedule.name.startswith("execute_")}) == 2


STATUS = {
    "watch_ingest_folder": dg.DefaultSensorStatus.RUNNING,
    "collect_runs_started_elsewhere": dg.DefaultSensorStatus.STOPPED,
    "collect_after_failure": dg.DefaultSensorStatus.RUNNING,
    "publish_refreshed_entities": dg.DefaultSensorStatus.RUNNING,
    "follow_new_data": dg.DefaultSensorStatus.RUNNING,
}


def test_sensors_and_how_they_start(repository: dg.RepositoryDefinition) -> None:
    assert {found.name: found.default_status for found in repository.sensor_defs} == STATUS


def test_no_sensor_can_start_a_paid_asset(repository: dg.RepositoryDefinition, definitions: dg.Definitions) -> None:
    for found in repository.sensor_defs:
        if found.name == "watch_ingest_folder":
            assert not found.has_jobs  # so Dagster refuses any run that it would ask for
            continue
        if isinstance(found, dg.AutomationConditionSensorDefinition):
            selected = found.asset_selection.resolve(definitions.resolve_asset_graph())
        else:
            selected = definitions.resolve_job_def(found.job_name).asset_layer.executable_asset_keys
        assert selected, found.name
        assert selected.isdisjoint(HERE.paid), found.name


def test_paid_assets_alone_follow_nothing(definitions: dg.Definitions) -> None:
    following = {spec.key: spec.automation_condition is not None for spec in definitions.resolve_all_asset_specs()}
    assert {key for key, follows in following.items() if not follows} == {*HERE.paid}


def test_nothing_waits_for_tasks_that_nobody_executed(running: Deployment, definitions: dg.Definitions) -> None:
    """One partition of three is materialized: what follows is requested, down to the snapshot."""
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(definitions, instance=instance)
        instance.report_runless_asset_event(dg.AssetMaterialization(EXECUTIONS, partition="search"))
        result = dg.evaluate_automation_conditions(definitions, instance=instance, cursor=first.cursor)
    requested = {
        key for key in definitions.resolve_asset_graph().get_all_asset_keys() if result.get_requested_partitions(key)
    }
    free = {spec.key for spec in definitions.resolve_all_asset_specs()} - {*HERE.paid}
    # A seed follows its file alone; what reads it makes it current first.
    assert requested == {key for key in free if key.path[0] != "seeds"}


PAID = {
    "the job": ({"job_name": EXECUTE_AND_PUBLISH}, True),
    "materialized in the UI": ({"job_name": "__ASSET_JOB", "asset_selection": frozenset({EXECUTIONS})}, True),
    "files": ({"job_name": INGEST_AND_PUBLISH}, True),
    "files in the UI": ({"job_name": "__ASSET_JOB", "asset_selection": frozenset({HERE.ingests})}, True),
    "a free asset in the UI": (
        {"job_name": "__ASSET_JOB", "asset_selection": frozenset({dg.AssetKey(["linkt", "runs"])})},
        False,
    ),
    "a sync": ({"job_name": SYNC_AND_PUBLISH}, False),
    "the command, which syncs by itself": (
        {"job_name": EXECUTE_AND_PUBLISH, "tags": {"linkt/started_by": "command"}},
        False,
    ),
}


@pytest.mark.parametrize(("run", "is_paid"), PAID.values(), ids=PAID)
def test_after_whose_failure_things_are_collected(run: dict[str, object], is_paid: bool) -> None:
    assert was_paid(HERE, dg.DagsterRun(run_id="5f0b8a52-0000-4000-8000-000000000001", **run)) is is_paid
