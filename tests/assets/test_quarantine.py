"""A file of sql/ with a mistake stops neither landing nor the other models nor publication, and is red."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.assets.conftest import copied_sql
from tests.assets.deployment import Deployment, failures, materializations


@pytest.fixture(scope="module")
def own_sql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of sql/ that a test may change; each puts it right again."""
    yield from copied_sql(tmp_path_factory.mktemp("project") / "sql")


@pytest.fixture(scope="module")
def published(running: Deployment, own_sql: Path) -> Deployment:
    """A deployment with one landed run, a snapshot, and a model of its own."""
    (own_sql / "marts" / "mine.sql").write_text(
        "-- description: Runs.\n-- grain: one row per run.\n-- materialized: table\n"
        "select run_id from marts.run_history\n"
    )
    assert running.run("execute_and_publish", partitions=("news",)).success
    return running


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    return {
        f"{'/'.join(evaluation.asset_key.path)} {evaluation.check_name}": evaluation.description or ""
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and not (evaluation := event.asset_check_evaluation_data).passed
    }


def stale_tables(deployment: Deployment) -> set[str]:
    catalog = json.loads((deployment.settings.published_dir / "catalog.json").read_text())
    return {table["name"] for table in catalog["tables"] if table["stale"]}


def test_a_typo_in_one_model_is_red_and_everything_else_goes_on(published: Deployment, own_sql: Path) -> None:
    file = own_sql / "marts" / "run_history.sql"
    text = file.read_text()
    before = published.published_rows("select count(*) from marts.run_history")
    file.write_text(text.replace("from staging.runs", "from staging.rns"))
    try:
        result = published.run("sync_and_publish")
        report = failed_checks(result)
        made = materializations(result)
        rows = published.published_rows("select count(*) from marts.run_history")
        stale = stale_tables(published)
    finally:
        file.write_text(text)

    assert result.success, failures(result)
    assert "unknown table 'staging.rns'; did you mean 'staging.runs'" in report["marts/run_history file"]
    assert "waits for marts.run_history" in report["marts/mine file"]
    assert "marts.run_history: sql/marts/run_history.sql:" in report["published/snapshot models_current"]
    assert {"linkt/runs", "staging/runs", "marts/companies", "published/snapshot"} < set(made)
    assert not {"marts/run_history", "marts/mine"} & set(made)
    assert rows == before
    assert {"run_history", "mine"} <= stale
    assert "companies" not in stale

    mended = published.run("sync_and_publish")

    assert mended.success
    assert "published/snapshot models_current" not in failed_checks(mended)
    assert stale_tables(published) == set()
    assert {"marts/run_history", "marts/mine"} <= set(materializations(mended))


def test_a_model_whose_file_is_gone_leaves_duckdb_parquet_and_catalog(published: Deployment, own_sql: Path) -> None:
    view = own_sql / "marts" / "gone.sql"
    view.write_text("-- description: d\n-- grain: g\nselect run_id from marts.mine\n")
    assert published.run("sync_and_publish").success
    assert (published.settings.published_dir / "marts" / "gone.parquet").exists()
    view.unlink()

    result = published.run("sync_and_publish", assets=["published/snapshot"])

    assert result.success, failures(result)
    assert not (published.settings.published_dir / "marts" / "gone.parquet").exists()
    assert '"gone"' not in (published.settings.published_dir / "catalog.json").read_text()
    gone = "select count(*) from information_schema.tables where table_name = 'gone'"
    assert published.published_rows(gone) == [(0,)]
    assert published.rows(gone) == [(0,)]


def test_a_name_that_names_no_table_and_a_check_with_a_typo_stop_nothing(published: Deployment, own_sql: Path) -> None:
    files = {
        own_sql / "marts" / "top-companies.sql": "select 1",
        own_sql / "checks" / "of_runs.sql": "-- description: d\n-- model: linkt.runs\nselect nosuch from linkt.runs",
        own_sql / "marts" / ".#mine.sql": "not saved yet",
    }
    for path, text in files.items():
        path.write_text(text)
    try:
        result = published.run("sync_and_publish")
    finally:
        for path in files:
            path.unlink()

    assert result.success, failures(result)
    report = failed_checks(result)
    assert "nosuch" in report["linkt/runs of_runs"]
    assert "rename the file to 'top_companies.sql'" in report["published/snapshot models_current"]
    assert "published/snapshot" in materializations(result)


def test_a_build_that_fails_leaves_its_table_stale_until_it_is_built(published: Deployment, own_sql: Path) -> None:
    file = own_sql / "marts" / "mine.sql"
    text = file.read_text()
    file.write_text(text.replace("select run_id", "select error('a fault put in by a test') as run_id"))
    try:
        assert not published.run("sync_and_publish").success
    finally:
        file.write_text(text)
    problems = "select model, problem from linkt.model_builds where problem is not null"
    ((model, problem),) = published.rows(problems)
    assert model == "marts.mine"
    assert "a fault put in by a test" in problem
    assert published.run("sync_and_publish").success
    assert published.rows(problems) == []
