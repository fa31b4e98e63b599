"""What goes wrong stays where it went wrong, and says what to do."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from linkt_pipeline.warehouse.outbox_state import tell_checks
from tests.assets.deployment import Deployment, failures, figures, materializations, steps_succeeded


def checks_failed(result: dg.ExecuteInProcessResult) -> set[str]:
    return {
        evaluation.check_name
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and not (evaluation := event.asset_check_evaluation_data).passed
    }


@pytest.fixture(scope="module")
def landed(running: Deployment) -> Deployment:
    """A deployment with one landed run and a snapshot."""
    assert running.run("execute_and_publish", partitions=("news",)).success
    return running


def test_one_failed_task_spares_the_others_and_the_next_sync_lands_everything(deployment: Deployment) -> None:
    deployment.sandbox.inject("failed_run=provider_error")  # of the first start that comes
    result = deployment.run("execute_and_publish", partitions=("search", "news"))

    assert not result.success
    recorded = deployment.instance.get_materialized_partitions(dg.AssetKey(["linkt", "executions"]))
    [(failed,)] = deployment.rows("select task_key from linkt.executions where run_status = 'FAILED'")
    assert recorded == {"search", "fair", "news"} - {failed}
    told = failures(result)["linkt__executions"]
    assert "FAILED" in told
    assert "provider_error" in told
    assert failed in told
    assert not deployment.settings.snapshot_path.exists()

    synced = deployment.run("sync_and_publish")

    assert synced.success
    assert len(deployment.published_rows("select run_id from linkt.runs")) == deployment.sandbox.run_count()
    assert deployment.published_rows("select count(*) from linkt.run_resources where state = 'pending'") == [(0,)]
    assert deployment.published_rows("select count(*) from marts.run_history where status = 'FAILED'") == [(1,)]


def test_a_failure_shows_figures_of_the_failed_task(deployment: Deployment) -> None:
    deployment.sandbox.inject("failed_run=rate_limit")
    result = deployment.run("execute_and_publish", partitions=("search",), assets=["linkt/executions"])
    [event] = [event for event in result.all_events if event.is_step_failure]
    shown = event.step_failure_data.user_failure_data.metadata
    assert shown["search/status"].value == "FAILED"
    assert "search/run_id" in shown
    assert "rate_limit" in shown["search/error"].value


CONFIGS = {
    "poll_interval": ({"poll_interval": "soon"}, "poll_interval", "'soon'"),
    "max_wait": ({"max_wait": "0s"}, "max_wait", "longer than zero"),
    "on_terminate": ({"on_terminate": "maybe"}, "on_terminate", "'maybe'"),
}


@pytest.mark.parametrize(("config", "field", "value"), CONFIGS.values(), ids=CONFIGS)
def test_run_config_that_cannot_be_used_buys_nothing(
    deployment: Deployment, config: dict[str, str], field: str, value: str
) -> None:
    before = deployment.sandbox.run_count()
    result = deployment.run(
        "execute_and_publish",
        partitions=("search",),
        assets=["linkt/executions"],
        config={"linkt__executions": config},
    )
    assert not result.success
    assert field in failures(result)["linkt__executions"]
    assert value in failures(result)["linkt__executions"]
    assert deployment.sandbox.run_count() == before


def test_a_materialization_without_a_partition_buys_nothing_and_says_what_to_select(deployment: Deployment) -> None:
    result = deployment.run("execute_and_publish", assets=["linkt/executions"])
    assert not result.success
    assert "no partition was selected" in failures(result)["linkt__executions"]
    assert deployment.sandbox.run_count() == 0


def test_parameters_of_the_run_config_are_sent_over_those_of_the_file(deployment: Deployment) -> None:
    result = deployment.run(
        "execute_and_publish",
        partitions=("search",),
        assets=["linkt/executions"],
        config={"linkt__executions": {"parameters": {"num_results": 1}, "poll_interval": "20ms"}},
    )
    assert result.success
    assert deployment.rows("select parameters->>'num_results' from linkt.executions") == [("1",)]


def test_a_date_that_is_none_is_told(deployment: Deployment) -> None:
    result = deployment.run("sync_and_publish", config={"linkt__runs": {"since": "yesterday"}})
    assert "since: 'yesterday' is not a date" in failures(result)["linkt__runs"]


def test_a_failing_model_keeps_its_table_spares_its_siblings_and_its_children_say_why(
    landed: Deployment, own_sql: Path
) -> None:
    before = landed.rows("select count(*) from marts.run_history")
    file = own_sql / "marts" / "run_history.sql"
    before_select, select, columns = file.read_text().rpartition("\nselect\n")
    file.write_text(f"{before_select}{select}    error('a fault put in by a test') as fault,\n{columns}")

    result = landed.run("sync_and_publish")

    assert set(failures(result)) == {"linkt__sql_models"}
    told = failures(result)["linkt__sql_models"]
    assert "a fault put in by a test" in told
    assert "marts.task_efficiency: skipped, because marts.run_history failed" in told
    made = materializations(result)
    assert "marts/run_history" not in made
    assert "marts/task_efficiency" not in made
    assert {"marts/companies", "marts/credits_daily", "staging/runs"} < set(made)
    assert landed.rows("select count(*) from marts.run_history") == before
    assert "published__snapshot" not in steps_succeeded(result)
    [(stale, run_id)] = landed.rows(
        "select facts ->> '$.marts[*][0]', dagster_run_id from linkt.alerts where event = 'stale'"
    )
    assert {"marts.run_history", "marts.task_efficiency"} <= set(stale)
    assert run_id == result.run_id


def _wrong_books(landed: Deployment, own_sql: Path) -> str:
    """A row that no landing would write."""
    with landed.warehouse.write() as con:
        con.execute(
            "insert into linkt.run_resources "
            "select * replace ('put in by a test' as last_error) from linkt.run_resources limit 1"
        )
    return "run_resources_key"


def _repair(landed: Deployment) -> None:
    with landed.warehouse.write() as con:
        con.execute("delete from linkt.run_resources where last_error = 'put in by a test'")


def _wrong_model(landed: Deployment, own_sql: Path) -> str:
    """A check of the user's own that some rows don't pass."""
    check = own_sql / "checks" / "no_runs_at_all.sql"
    check.write_text(
        "-- description: Nothing ever ran.\n-- model: marts.run_history\n-- severity: error\n"
        "select run_id from marts.run_history\n"
    )
    return "no_runs_at_all"


@pytest.mark.parametrize("spoil", [_wrong_books, _wrong_model])
def test_an_error_level_check_keeps_wrong_data_from_being_published(
    landed: Deployment, own_sql: Path, spoil: Callable[[Deployment, Path], str]
) -> None:
    published = landed.settings.snapshot_path.stat()
    name = spoil(landed, own_sql)

    result = landed.run("sync_and_publish")

    assert not result.success
    assert name in checks_failed(result)
    assert "published__snapshot" not in steps_succeeded(result)
    assert landed.settings.snapshot_path.stat().st_ino == published.st_ino
    told = (
        "select facts ->> '$.check', over_at is null from linkt.alerts where event = 'check_failed' and facts::varchar "
    )
    [(check, is_red)] = landed.rows(f"{told} like '%{name}%'")
    assert check.endswith(f": {name}")
    assert is_red
    _repair(landed)


def test_what_is_landed_after_the_checks_is_checked_before_it_is_published(landed: Deployment, own_sql: Path) -> None:
    """As another process does between the two steps of a Dagster run."""
    (own_sql / "checks" / "no_bad.sql").write_text(
        "-- description: None is bad.\n-- model: staging.runs\n-- severity: error\n"
        "select run_id from staging.runs where error = 'BAD'\n"
    )
    assert landed.run("sync_and_publish").success
    published = landed.settings.snapshot_path.stat()
    spoil = "update linkt.runs set error = ? where run_id = (select min(run_id) from linkt.runs)"
    with landed.warehouse.write() as con:
        con.execute(spoil, ["BAD"])

    result = landed.run("sync_and_publish", assets=["published/snapshot"])

    assert "staging.runs: no_bad: 1 offending rows" in failures(result)["published__snapshot"]
    assert landed.settings.snapshot_path.stat().st_ino == published.st_ino
    with landed.warehouse.write() as con:
        con.execute(spoil, ["known"])
    assert landed.run("sync_and_publish", assets=["published/snapshot"]).success
    assert landed.published_rows("select count(*) from staging.runs where error = 'known'") == [(1,)]


def test_a_warning_is_shown_and_published(landed: Deployment, own_sql: Path) -> None:
    check = own_sql / "checks" / "worth_a_look.sql"
    check.write_text(
        "-- description: Nothing to look at.\n-- model: marts.run_history\n-- severity: warn\n"
        "select run_id, status from marts.run_history\n"
    )
    with landed.warehouse.write() as con:  # as if it had been an error, and another check been removed
        tell_checks(con, {"marts.run_history: worth_a_look": 1, "marts.run_history: removed": 1}, "d")
    result = landed.run("sync_and_publish")
    assert result.success
    assert landed.rows("select event_key from linkt.alerts where event = 'check_failed' and over_at is null") == []
    [evaluation] = [
        event.asset_check_evaluation_data
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and event.asset_check_evaluation_data.check_name == "worth_a_look"
    ]
    assert not evaluation.passed
    assert evaluation.metadata["offending_rows"].value == len(landed.rows("select * from linkt.runs"))
    assert evaluation.metadata["first_offenders"].value.startswith("| run_id | status |")


def test_selected_models_alone_are_built_and_checked(landed: Deployment) -> None:
    result = landed.run("sync_and_publish", assets=["marts/companies"])
    assert result.success
    assert set(materializations(result)) == {"marts/companies"}
    assert figures(materializations(result)["marts/companies"])["build"] == "unchanged"
