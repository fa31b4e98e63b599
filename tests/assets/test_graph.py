"""The asset graph, as the contract and a newcomer to the UI see it."""

import dagster as dg
import pytest

from tests.assets.deployment import Deployment
from tests.landed_checks import landed_checks

LANDED = (
    *("executions", "runs", "run_costs", "run_credits", "run_resources", "run_queue_counts"),
    *("ingests", "ingest_rows", "run_candidates"),
    *("entities", "entity_versions", "signals", "tasks", "icps", "sheets"),
)


@pytest.fixture(scope="module")
def definitions(running: Deployment) -> dg.Definitions:
    return running.definitions


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {"/".join(spec.key.path): spec for spec in definitions.resolve_all_asset_specs()}


def ancestors(specs: dict[str, dg.AssetSpec], name: str) -> set[str]:
    found: set[str] = set()
    pending = [name]
    while pending:
        for dep in specs[pending.pop()].deps:
            parent = "/".join(dep.asset_key.path)
            if parent not in found:
                found.add(parent)
                pending.append(parent)
    return found


def test_keys_are_those_of_the_contract(specs: dict[str, dg.AssetSpec]) -> None:
    assert {f"linkt/{table}" for table in LANDED} < set(specs)
    assert {name.split("/")[0] for name in specs} == {"linkt", "seeds", "staging", "marts", "published"}
    assert {"staging/entity_attributes", "marts/companies", "marts/credits_daily", "published/snapshot"} < set(specs)


def test_groups_are_schemas_and_every_asset_tells_what_it_is(specs: dict[str, dg.AssetSpec]) -> None:
    for name, spec in specs.items():
        assert spec.group_name == name.split("/")[0], name
        assert spec.description, name
        assert len(spec.description) > 30, name
        assert "duckdb" in spec.kinds, name
        assert spec.owners == ["team:data"], name


def test_every_table_tells_its_name_storage_and_columns(specs: dict[str, dg.AssetSpec]) -> None:
    for name, spec in specs.items():
        if name == "published/snapshot":
            continue
        assert spec.metadata["dagster/table_name"] == name.replace("/", "."), name
        assert spec.metadata["dagster/storage_kind"] == "duckdb", name
        columns = spec.metadata["dagster/column_schema"].columns
        assert columns, name
        assert all(column.type for column in columns), name
        assert [column.name for column in columns if not column.description] == [], name


def test_keys_of_marts_are_shown_as_unique_and_never_empty(specs: dict[str, dg.AssetSpec]) -> None:
    columns = {column.name: column for column in specs["marts/companies"].metadata["dagster/column_schema"].columns}
    assert columns["entity_id"].constraints.unique
    assert not columns["entity_id"].constraints.nullable
    assert columns["industry"].constraints.nullable
    shown = specs["marts/credits_daily"].metadata["dagster/column_schema"].constraints.other
    assert shown == ["unique: day, task, action_type"]


def test_models_show_their_sql_and_a_version(specs: dict[str, dg.AssetSpec]) -> None:
    for name, spec in specs.items():
        if name.startswith(("staging/", "marts/")):
            assert "```sql\n" in str(spec.description), name
            assert "-- column" not in str(spec.description), name
            assert spec.code_version, name
            assert spec.metadata["file"] == f"sql/{name}.sql"


def test_everything_is_upstream_of_the_snapshot(specs: dict[str, dg.AssetSpec]) -> None:
    unpublished = set(specs) - ancestors(specs, "published/snapshot") - {"published/snapshot"}
    assert unpublished == set()


def test_what_is_published_has_a_freshness_policy(specs: dict[str, dg.AssetSpec]) -> None:
    fresh = {name for name, spec in specs.items() if spec.freshness_policy is not None}
    assert fresh == {name for name in specs if name.startswith("marts/")} | {"published/snapshot"}


def test_only_paid_assets_are_partitioned_and_many_tasks_wait_in_one_run(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    partitioned = {key.path[-1]: graph.get(key) for key in graph.get_all_asset_keys() if graph.get(key).partitions_def}
    assert set(partitioned) == {"executions", "ingests"}
    assert partitioned["executions"].partitions_def.get_partition_keys() == ["search", "fair", "news"]
    assert partitioned["ingests"].partitions_def == dg.DynamicPartitionsDefinition(name="ingest_files")
    for paid in partitioned.values():
        assert paid.backfill_policy == dg.BackfillPolicy.single_run()
        assert paid.tags["linkt/paid"] == "true"


def test_no_step_is_retried_by_dagster(definitions: dg.Definitions) -> None:
    for job in ("execute_and_publish", "ingest_and_publish", "sync_and_publish"):
        for node in definitions.resolve_job_def(job).nodes:
            assert node.definition.retry_policy is None, node.name


def test_all_models_are_one_step_that_can_be_split(definitions: dg.Definitions) -> None:
    steps = {node.name for node in definitions.resolve_job_def("sync_and_publish").nodes}
    landing = {"linkt__runs", "linkt__entities", "linkt__signals", "linkt__reference_data"}
    assert steps == {*landing, "linkt__sql_models", "published__snapshot"}


def test_the_free_steps_share_a_pool_and_the_paid_one_has_none(definitions: dg.Definitions) -> None:
    pools = {node.name: node.definition.pool for node in definitions.resolve_job_def("execute_and_publish").nodes}
    assert pools.pop("linkt__executions") is None
    assert set(pools.values()) == {"linkt_warehouse"}


def test_every_config_field_is_described(definitions: dg.Definitions) -> None:
    described = []
    for node in definitions.resolve_job_def("execute_and_publish").nodes:
        fields = getattr(node.definition.config_schema.config_type, "fields", {})
        for name, field in fields.items():
            assert field.description, f"{node.name}: {name}"
            described.append(name)
    paid = {"parameters", "poll_interval", "max_wait", "on_terminate", "again", "over_budget"}
    assert paid | {"since", "full_refresh", "refresh", "retry_missing", "retry_rejected"} == set(described)


def test_error_level_checks_block_and_warnings_do_not(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    blocking = {(key.asset_key.path[-1], key.name): graph.get(key).blocking for key in graph.asset_check_keys}
    assert blocking["runs", "runs_key"]
    assert blocking["people", "key"]
    assert not blocking["people", "references"]


def test_every_check_of_a_landed_table_is_shown_with_an_asset(definitions: dg.Definitions) -> None:
    shown = {key.name for key in definitions.resolve_asset_graph().asset_check_keys}
    assert {check.name for check in landed_checks()} <= shown


def test_loading_follows_no_columns(running: Deployment) -> None:
    """Column lineage costs a second; it is found when a model is built, and kept."""
    import linkt_pipeline.transform.lineage as module

    def fail(*_: object) -> None:
        raise AssertionError("lineage was computed at load")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "column_lineage", fail)
        running.definitions.get_repository_def().load_all_definitions()
