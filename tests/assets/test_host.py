"""Beside the definitions of a team: nothing of theirs is selected, and nothing of ours stands in their way."""

from pathlib import Path

import dagster as dg
import pytest

from linkt_pipeline.assets.location import build_deployment
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.settings import load_settings
from linkt_pipeline.tasks_yaml import load_tasks
from tests.assets.deployment import TASKS


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))
def orders() -> None:
    """Daily: a job can't hold it beside the tasks of tasks.yaml."""


@dg.asset(automation_condition=dg.AutomationCondition.eager(), deps=[orders])
def revenue() -> None:
    """Follows by itself, under the host's own sensor or the one that Dagster makes."""


@dg.asset(deps=[dg.AssetKey(["marts", "companies"])])
def campaign(warehouse: dg.ResourceParam[str]) -> str:
    """Reads what is ours with a resource that is theirs."""
    return warehouse


@dg.asset
def runs(linkt: dg.ResourceParam[str]) -> None:
    """Has the name of a table of ours."""


THEIRS = frozenset({orders.key, revenue.key, campaign.key, runs.key})
HOST = dg.Definitions(
    assets=[orders, revenue, campaign, runs],
    resources={"warehouse": "theirs", "linkt": "theirs", "io_manager": dg.mem_io_manager},
    executor=dg.multiprocess_executor,
    jobs=[dg.define_asset_job("nightly", dg.AssetSelection.assets(runs))],
)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    folder = tmp_path_factory.mktemp("host")
    (folder / "tasks.yaml").write_text(TASKS, encoding="utf-8")
    settings = load_settings({"api_key": "sk-of-the-host", "tasks_file": folder / "tasks.yaml", "data_dir": folder})
    return build_deployment(Backend(settings), load_tasks(folder / "tasks.yaml"), str, Placement(), shared=True)


@pytest.fixture(scope="module")
def both(ours: dg.Definitions) -> dg.Definitions:
    return dg.Definitions.merge(HOST, ours)


@pytest.fixture(scope="module")
def repository(both: dg.Definitions) -> dg.RepositoryDefinition:
    return both.get_repository_def()


def selected(both: dg.Definitions, job: str) -> set[dg.AssetKey]:
    return set(both.resolve_job_def(job).asset_layer.executable_asset_keys)


@pytest.mark.parametrize(
    ("job", "paid"),
    [
        ("execute_and_publish", {Placement().executions}),
        ("ingest_and_publish", {Placement().ingests}),
        ("sync_and_publish", set()),
    ],
)
def test_each_job_selects_our_assets_alone(
    both: dg.Definitions, ours: dg.Definitions, job: str, paid: set[dg.AssetKey]
) -> None:
    everything = set(ours.resolve_asset_graph().get_all_asset_keys())
    assert selected(both, job) == everything - {*Placement().paid} | paid
    assert not THEIRS & selected(both, job)


def jobs_of(repository: dg.RepositoryDefinition, name: str) -> set[str]:
    """The jobs that a sensor or schedule can start; a sensor may have none."""
    if repository.has_sensor_def(name):
        return {target.job_name for target in repository.get_sensor_def(name).targets}
    return {repository.get_schedule_def(name).job_name}


def test_each_sensor_and_schedule_reaches_our_assets_alone(
    both: dg.Definitions, ours: dg.Definitions, repository: dg.RepositoryDefinition
) -> None:
    for instigator in [*(ours.sensors or ()), *(ours.schedules or ())]:
        if isinstance(instigator, dg.AutomationConditionSensorDefinition):
            reached = instigator.asset_selection.resolve(both.resolve_asset_graph())
            assert reached, instigator.name
        else:
            reached = set()
            for job in jobs_of(repository, instigator.name) - {"delete_old_runs"}:
                reached |= selected(both, job)
        assert not THEIRS & reached, instigator.name


def test_a_condition_of_the_host_is_followed_by_its_own_sensor(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    by_name = {
        sensor.name: sensor.asset_selection.resolve(graph)
        for sensor in repository.sensor_defs
        if isinstance(sensor, dg.AutomationConditionSensorDefinition)
    }
    assert revenue.key in by_name.pop("default_automation_condition_sensor")
    assert not THEIRS & by_name.pop("follow_new_data")
    assert by_name == {}


def test_executor_and_resources_of_the_host_stay_as_they_are(both: dg.Definitions, ours: dg.Definitions) -> None:
    assert ours.executor is None
    assert not ours.resources
    assert both.executor is dg.multiprocess_executor
    assert both.resolve_job_def("nightly").executor_def is dg.multiprocess_executor
    for job in ("execute_and_publish", "sync_and_publish", "delete_old_runs"):
        assert both.resolve_job_def(job).executor_def is dg.in_process_executor


def test_an_asset_of_the_host_follows_ours(both: dg.Definitions) -> None:
    companies = dg.AssetKey(["marts", "companies"])
    assert campaign.key in both.resolve_asset_graph().get(companies).child_keys
    assert both.resolve_job_def("nightly").execute_in_process().success


def test_runs_that_made_assets_of_the_host_as_well_are_kept(ours: dg.Definitions, tmp_path: Path) -> None:
    from linkt_pipeline.assets.housekeeping import retention_of

    retention = retention_of(Placement(), Backend(load_settings({"data_dir": tmp_path})), ours.assets, shared=True)
    landed = dg.AssetKey(["linkt", "runs"])
    run_id = "5f0b8a52-0000-4000-8000-000000000001"

    def is_ours(*keys: dg.AssetKey) -> bool:
        run = dg.DagsterRun(job_name="__ASSET_JOB", run_id=run_id, asset_selection=frozenset(keys))
        return retention._is_of_ours(run, None)

    assert is_ours(landed)
    assert not is_ours(landed, revenue.key)
    [schedule] = [found for found in ours.schedules if found.name == "delete_old_runs_daily"]
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED, "the history is the host's"
