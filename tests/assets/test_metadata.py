"""What a run of the whole pipeline leaves in the UI: figures, columns, previews, lineage. And never the key."""

import sqlite3
from collections.abc import Iterator

import dagster as dg
import pytest

from tests.assets.deployment import API_KEY, Deployment, figures, materializations

PARTITIONS = ("search", "fair", "news")


@pytest.fixture(scope="module")
def result(running: Deployment) -> dg.ExecuteInProcessResult:
    return running.run("execute_and_publish", partitions=("search", "news"))


@pytest.fixture(scope="module")
def made(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    assert result.success
    return materializations(result)


def test_every_asset_is_materialized_once(running: Deployment, made: dict[str, dg.AssetMaterialization]) -> None:
    expected = {"/".join(spec.key.path) for spec in running.definitions.resolve_all_asset_specs()}
    # The files of linkt/ingests are another question, with a job of their own.
    expected = expected - {"linkt/executions", "linkt/ingests"} | {f"linkt/executions:{name}" for name in PARTITIONS}
    assert set(made) == expected


def test_row_counts_are_those_of_the_tables(running: Deployment, made: dict[str, dg.AssetMaterialization]) -> None:
    for name, materialization in made.items():
        if name == "published/snapshot" or ":" in name:
            continue
        [(rows,)] = running.rows(f"select count(*) from {name.replace('/', '.')}")
        assert figures(materialization)["dagster/row_count"] == rows, name
    assert figures(made["linkt/entities"])["dagster/row_count"] > 0
    assert figures(made["linkt/signals"])["dagster/row_count"] > 0


def test_each_partition_of_a_range_shows_its_own_run(
    running: Deployment, made: dict[str, dg.AssetMaterialization]
) -> None:
    for name in PARTITIONS:
        shown = figures(made[f"linkt/executions:{name}"])
        [(run_id, credits)] = running.rows(
            "select run_id, total_credits from linkt.executions join linkt.runs using (run_id) "
            f"where task_key = '{name}'"
        )
        assert shown["run_id"] == run_id
        assert shown["credits"] == credits
        assert shown["status"] == "COMPLETED"
        assert shown["duration_seconds"] > 0
    assert figures(made["linkt/executions:search"])["entities_created"] > 0
    assert figures(made["linkt/executions:news"])["signals_created"] > 0
    assert figures(made["linkt/executions:news"])["entities_created"] == 0


def test_a_partition_leads_to_its_rows(running: Deployment, made: dict[str, dg.AssetMaterialization]) -> None:
    """The SQL that is shown works on the snapshot, and finds what the run named."""
    text = figures(made["linkt/executions:news"])["see_its_rows"]
    sql = text.split("```sql\n")[1].split("\n```")[0]
    assert len(running.published_rows(sql)) == figures(made["linkt/executions:news"])["signals_created"]
    companies, people = figures(made["linkt/executions:search"])["see_its_rows"].split("```sql\n")[1].split("\n\n")
    found = len(running.published_rows(companies)) + len(running.published_rows(people.split("\n```")[0]))
    shown = figures(made["linkt/executions:search"])
    assert found == shown["entities_created"] + shown["entities_updated"]


def test_marts_show_rows_and_their_lineage(made: dict[str, dg.AssetMaterialization]) -> None:
    for name, materialization in made.items():
        if name.startswith("marts/"):
            shown = figures(materialization)
            assert shown["preview"].startswith("| "), name
            assert shown["dagster/column_lineage"].deps_by_column, name
            assert shown["dagster/column_schema"].columns, name
    lineage = figures(made["marts/companies"])["dagster/column_lineage"].deps_by_column
    assert dg.TableColumnDep(asset_key=dg.AssetKey(["staging", "icps"]), column_name="name") in lineage["icp_name"]
    assert "| `icp_name` | `staging.icps.name` |" in figures(made["marts/companies"])["columns_made_of"]


@pytest.mark.parametrize("mart", ["credits_daily", "run_history", "signal_feed"])
def test_charts_are_images_that_ask_nobody_for_anything(made: dict[str, dg.AssetMaterialization], mart: str) -> None:
    chart = figures(made[f"marts/{mart}"])["chart"]
    assert chart.startswith("![")
    assert "](data:image/svg+xml;base64," in chart


def test_snapshot_tells_where_it_is_and_how_to_read_it(
    running: Deployment, made: dict[str, dg.AssetMaterialization]
) -> None:
    shown = figures(made["published/snapshot"])
    assert shown["path"] == str(running.settings.snapshot_path)
    assert shown["dagster/size_bytes"] == running.settings.snapshot_path.stat().st_size
    assert shown["tables"] > 30
    code = shown["how_to_read"].split("```python\n")[1].split("\n```")[0]
    exec(compile(code, "how_to_read", "exec"), {})


def test_the_log_tells_the_story(running: Deployment, result: dg.ExecuteInProcessResult) -> None:
    records = running.instance.all_logs(result.run_id)
    told = "\n".join(record.user_message for record in records)
    for phrase in (" started", "COMPLETED", "credits", " settled", " landed", " rows, ", "published "):
        assert phrase in told, phrase


def test_a_second_sync_finds_nothing_to_do_and_rewrites_no_row(running: Deployment, made: object) -> None:
    before = running.sandbox.run_count()
    result = running.run("sync_and_publish")
    assert result.success
    again = materializations(result)
    assert figures(again["linkt/runs"])["landed"] == 0
    assert figures(again["linkt/entities"])["landed"] == 0
    assert figures(again["marts/companies"])["build"] == "unchanged"
    assert figures(again["marts/companies"])["rows_written"] == 0
    assert running.sandbox.run_count() == before


def test_full_refresh_computes_incremental_tables_anew(running: Deployment, made: object) -> None:
    result = running.run(
        "sync_and_publish", config={"linkt__sql_models": {"full_refresh": True}}, assets=["marts/companies"]
    )
    assert result.success
    again = materializations(result)
    assert set(again) == {"marts/companies"}
    assert figures(again["marts/companies"])["build"] == "full"


def test_the_key_is_in_nothing_that_dagster_keeps(running: Deployment, made: object) -> None:
    """Every text in every database and file of the instance, and the code location as the web server receives it."""
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._serdes import serialize_value

    kept = list(_texts(running))
    assert any("COMPLETED" in text for text in kept)
    assert [text[:200] for text in kept if API_KEY in text] == []
    snapshot = serialize_value(RepositorySnap.from_def(running.definitions.get_repository_def()))
    assert "sync_and_publish" in snapshot
    assert API_KEY not in snapshot


def _texts(running: Deployment) -> Iterator[str]:
    for path in running.folder.rglob("*"):
        if not path.is_file() or path.name.startswith("warehouse.duckdb"):
            continue
        if path.read_bytes()[:15] != b"SQLite format 3":
            yield path.read_text(encoding="utf-8", errors="replace")
            continue
        con = sqlite3.connect(path)
        for (table,) in con.execute("select name from sqlite_master where type = 'table'").fetchall():
            for row in con.execute(f'select * from "{table}"'):
                for value in row:
                    yield str(value)
        con.close()
