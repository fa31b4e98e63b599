"""``build_definitions``: two organizations beside a team's own definitions."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from linkt_pipeline import build_definitions
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.errors import ConfigError
from linkt_pipeline.sandbox import Sandbox, running_sandbox
from linkt_pipeline.settings import load_settings
from linkt_pipeline.tasks import CommonSettings
from linkt_pipeline.tasks_yaml import load_tasks, read_tasks
from tests.assets.deployment import failures

TASK = {"task_id": "6964b9b45a4d0beef1000031", "icp_id": "6964b8105a4d0beef1000011", "parameters": {"num_results": 2}}
QUICK = {**TASK, "poll_interval": "50ms", "max_wait": "30s"}
ACME_KEY, GLOBEX_KEY = "sk-acme-1f0d2c9b7a", "sk-globex-4e8a6d3c5b"
COMPANIES = dg.AssetKey(["acme", "marts", "companies"])


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))
def orders() -> None:
    """Of the host."""


@dg.asset(deps=[COMPANIES], automation_condition=dg.AutomationCondition.eager())
def campaign(warehouse: dg.ResourceParam[str]) -> str:
    """Of the host, downstream of a mart of ours."""
    return warehouse


HOST = dg.Definitions(
    assets=[orders, campaign],
    resources={"warehouse": "theirs", "linkt": "theirs", "linkt_warehouse": "theirs"},
    executor=dg.multiprocess_executor,
)


class Two:
    """Two organizations: each has a sandbox, a key, a prefix and a folder."""

    def __init__(self, folder: Path, acme: Sandbox, globex: Sandbox) -> None:
        self.folder, self.acme, self.globex = folder, acme, globex
        with warnings.catch_warnings():
            warnings.simplefilter("error", dg.BetaWarning)
            self.ours = [
                build_definitions(
                    {"saas": {**QUICK, "schedule": "@daily"}},
                    data_dir=folder / "acme",
                    api_key=dg.EnvVar("ACME_LINKT_KEY"),
                    key_prefix="acme",
                    owners=["team:growth"],
                    settings={"base_url": acme.url},
                ),
                build_definitions(
                    {"tasks": {"saas": QUICK}, "timezone": "Europe/Berlin"},
                    data_dir=folder / "globex",
                    api_key=GLOBEX_KEY,
                    key_prefix=["sales", "globex-eu"],
                    group_prefix="gx",
                    settings={"base_url": globex.url},
                ),
            ]
            self.all = dg.Definitions.merge(HOST, *self.ours)
            self.repository = self.all.get_repository_def()
            self.repository.load_all_definitions()

    def run(self, instance: dg.DagsterInstance, job: str, **options: Any) -> dg.ExecuteInProcessResult:
        return self.all.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, **options)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("two")
    with (
        running_sandbox(speed=60, api_key=ACME_KEY) as acme,
        running_sandbox(speed=60, api_key=GLOBEX_KEY) as globex,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.chdir(folder)
        environment.delenv("ACME_LINKT_KEY", raising=False)
        for name in ("LINKT_API_KEY", "LINKT_USE_SANDBOX", "LINKT_DATA_DIR", "LINKT_TASKS_FILE"):
            environment.delenv(name, raising=False)
        yield Two(folder, acme, globex)


def test_all_names_carry_the_prefix_and_nothing_is_written_at_load(two: Two) -> None:
    for ours, keys, names in zip(
        two.ours, (["acme"], ["sales", "globex-eu"]), ("acme", "sales_globex_eu"), strict=True
    ):
        graph = ours.resolve_asset_graph()
        assert all(key.path[: len(keys)] == keys for key in graph.get_all_asset_keys())
        assert all(check.asset_key.path[: len(keys)] == keys for check in graph.asset_check_keys)
        named = [*(ours.jobs or ()), *(ours.schedules or ()), *(ours.sensors or ())]
        assert len(named) >= 6
        assert all(found.name.startswith(f"{names}_") for found in named)
        nodes = ours.resolve_job_def(f"{names}_sync_and_publish").nodes
        assert {node.definition.pool for node in nodes} == {f"{names}_linkt_warehouse"}
    groups = {spec.group_name for spec in two.ours[0].resolve_all_asset_specs()}
    assert groups == {f"acme_{name}" for name in ("linkt", "seeds", "staging", "marts", "published")}
    assert "gx_marts" in {spec.group_name for spec in two.ours[1].resolve_all_asset_specs()}
    assert {owner for spec in two.ours[0].resolve_all_asset_specs() for owner in spec.owners} == {"team:growth"}
    assert not (two.folder / "acme").exists()


def test_the_keys_are_in_no_definition(two: Two) -> None:
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._serdes import serialize_value

    told = serialize_value(RepositorySnap.from_def(two.repository)) + repr(two.ours)
    assert "acme_execute_saas" in told
    assert GLOBEX_KEY not in told
    assert GLOBEX_KEY not in repr(Backend(load_settings({"api_key": GLOBEX_KEY}), partial(str, GLOBEX_KEY)))


def test_the_failure_of_one_leaves_the_other_alone(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        unset = two.run(instance, "acme_sync_and_publish")
        assert "ACME_LINKT_KEY is not set" in failures(unset)["acme__linkt__runs"]

        monkeypatch.setenv("ACME_LINKT_KEY", ACME_KEY)
        two.globex.inject("http_401@list_runs")
        assert not two.run(instance, "sales_globex_eu_sync_and_publish").success
        paid = two.run(instance, "acme_execute_and_publish", partition_key="saas")
        assert paid.success

    made = {event.asset_key for event in paid.get_asset_materialization_events()}
    assert COMPANIES in made
    assert all(key.path[0] == "acme" for key in made)
    with duckdb.connect(str(two.folder / "acme" / "published" / "warehouse.duckdb"), read_only=True) as con:
        assert con.execute("select count(*) from marts.companies").fetchall() > [(0,)]
    assert not (two.folder / "globex" / "published").exists()
    lineage = next(
        event.materialization.metadata["dagster/column_lineage"].value
        for event in paid.get_asset_materialization_events()
        if event.asset_key == COMPANIES
    )
    parents = {dep.asset_key.path[0] for deps in lineage.deps_by_column.values() for dep in deps}
    assert parents == {"acme"}


def test_an_asset_of_the_host_follows_a_mart_of_ours(two: Two) -> None:
    assert campaign.key in two.all.resolve_asset_graph().get(COMPANIES).child_keys


WITHOUT = {
    "nothing by itself": (False, set(), False),
    "the sensor of the host": (
        "conditions",
        {
            "collect_runs_started_elsewhere",
            "collect_after_failure",
            "publish_refreshed_entities",
            "watch_ingest_folder",
        },
        True,
    ),
}


@pytest.mark.parametrize(("automation", "sensors", "conditions"), WITHOUT.values(), ids=WITHOUT)
def test_automation_is_the_hosts_choice(tmp_path: Path, automation: Any, sensors: set[str], conditions: bool) -> None:
    ours = build_definitions({"saas": TASK}, data_dir=tmp_path, api_key=ACME_KEY, automation=automation)
    assert {sensor.name for sensor in ours.sensors or ()} == sensors
    specs = ours.resolve_all_asset_specs()
    assert any(spec.automation_condition is not None for spec in specs) is conditions
    everything = dg.AutomationConditionSensorDefinition("of_the_host", target=dg.AssetSelection.all())
    dg.Definitions.merge(ours, dg.Definitions(sensors=[everything])).get_repository_def().load_all_definitions()


MISTAKES = {
    "a file that is not there": ({"tasks": "nowhere.yaml", "api_key": ACME_KEY}, "tasks: there is no file"),
    "a field": ({"tasks": {"saas": {"task_id": "x"}}}, "tasks.saas.task_id: "),
    "a setting": (
        {"settings": {"requests_per_minut": 3}},
        "settings: there is no 'requests_per_minut'. Known: base_url",
    ),
    "a setting with a parameter": ({"settings": {"api_key": "x"}}, "settings: there is no 'api_key'"),
    "a value of a setting": ({"settings": {"keep_runs_days": 0}}, "LINKT_KEEP_RUNS_DAYS"),
    "a prefix": ({"key_prefix": "a/b"}, "key_prefix: 'a/b'"),
    "a group": ({"group_prefix": "a-b"}, "group_prefix: 'a-b'"),
    "automation": ({"automation": "lazy"}, "automation: 'lazy'"),
    "a key": ({"api_key": ""}, "api_key: it is empty"),
}


@pytest.mark.parametrize(("given", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_the_parameter(
    given: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LINKT_API_KEY", raising=False)
    with pytest.raises(ConfigError) as error:
        build_definitions(**given)
    assert told in str(error.value)


def test_tasks_in_python_are_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text("timezone: Europe/Berlin\ntasks:\n  saas: {task_id: 6964b9b45a4d0beef1000031, max_wait: 5m}\n")
    tasks, common = read_tasks(
        {"timezone": "Europe/Berlin", "tasks": {"saas": {"task_id": "6964b9b45a4d0beef1000031", "max_wait": "5m"}}}
    )
    assert (tasks, common) == (load_tasks(file), CommonSettings(timezone="Europe/Berlin"))
    assert read_tasks(tasks)[0]["saas"].max_wait == tasks["saas"].max_wait
    assert read_tasks({}) == ({}, CommonSettings())


def test_a_limit_of_all_tasks_together_reaches_the_paid_step(two: Two, tmp_path: Path) -> None:
    ours = build_definitions(
        {"tasks": {"saas": QUICK}, "monthly_credit_limit": 0},
        data_dir=tmp_path,
        api_key=GLOBEX_KEY,
        settings={"base_url": two.globex.url},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        job = ours.resolve_job_def("execute_and_publish")
        refused = job.execute_in_process(instance=instance, partition_key="saas", raise_on_error=False)
    assert "0 of 0 credits (monthly_credit_limit) of all tasks together" in failures(refused)["linkt__executions"]


def test_importing_the_package_imports_no_dagster() -> None:
    code = (
        "import sys, linkt_pipeline; assert 'build_definitions' in dir(linkt_pipeline); print('dagster' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
