"""When a paid outcome is used up in Dagster: once all that was asked for together with it is done."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import httpx
import pytest

from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.values import Intention
from tests.assets.deployment import API_KEY, Deployment, failures, figures, materializations

pytestmark = pytest.mark.slow


def paid(deployment: Deployment, **options: object) -> dg.ExecuteInProcessResult:
    return deployment.run("execute_and_publish", partitions=("search",), **options)  # type: ignore[arg-type]


def test_a_job_whose_model_fails_has_used_nothing_up(deployment: Deployment, own_sql: Path) -> None:
    model = own_sql / "marts" / "run_history.sql"
    good = model.read_text()
    model.write_text(good.replace("\nselect\n", "\nselect\n    error('a fault put in by a test') as fault,\n"))
    for _ in range(2):
        assert set(failures(paid(deployment))) == {"linkt__sql_models"}
    assert deployment.sandbox.run_count() == 1
    model.write_text(good)

    assert paid(deployment).success
    assert deployment.sandbox.run_count() == 1
    assert deployment.published_rows("select count(*) from linkt.runs") == [(1,)]
    assert paid(deployment).success
    assert deployment.sandbox.run_count() == 2


def test_the_paid_asset_alone_is_used_up_when_it_is_recorded(deployment: Deployment) -> None:
    """Nobody asked for more in this Dagster run; what is downstream follows by itself."""
    for _ in range(2):
        assert paid(deployment, assets=["linkt/executions"]).success

    assert deployment.sandbox.run_count() == 2


def test_when_one_of_several_fails_the_next_job_repeats_that_one_alone(deployment: Deployment) -> None:
    deployment.sandbox.inject("failed_run=provider_error@execute:6964ba2c5a4d0beef1000033")
    assert not deployment.run("execute_and_publish", partitions=("search", "news")).success

    assert deployment.run("execute_and_publish", partitions=("search", "news")).success

    bought = deployment.rows("select task_key, count(*) from linkt.executions group by all order by all")
    assert bought == [("fair", 1), ("news", 2), ("search", 1)]


def test_a_tick_of_a_schedule_is_a_question_of_its_own(deployment: Deployment, own_sql: Path) -> None:
    """A broken model must not end the purchases of a schedule; a repetition of its Dagster run buys nothing."""
    model = own_sql / "marts" / "run_history.sql"
    model.write_text(model.read_text().replace("\nselect\n", "\nselect\n    error('put in by a test') as fault,\n"))

    def tick(moment: datetime) -> None:
        deployment.definitions.resolve_job_def("execute_and_publish").execute_in_process(
            instance=deployment.instance,
            raise_on_error=False,
            partition_key="search",
            tags={".dagster/scheduled_execution_time": moment.isoformat()},
        )

    monday = datetime.now(UTC)
    tick(monday)
    tick(monday)
    assert deployment.sandbox.run_count() == 1
    tick(datetime.now(UTC) + timedelta(milliseconds=1))
    assert deployment.sandbox.run_count() == 2


def test_run_config_buys_again_on_purpose(deployment: Deployment, own_sql: Path) -> None:
    model = own_sql / "marts" / "run_history.sql"
    model.write_text(model.read_text().replace("\nselect\n", "\nselect\n    error('put in by a test') as fault,\n"))
    paid(deployment)

    paid(deployment, config={"linkt__executions": {"again": True}})

    assert deployment.sandbox.run_count() == 2


def test_nothing_is_bought_while_a_check_fails_that_would_keep_it_from_being_published(deployment: Deployment) -> None:
    assert paid(deployment).success
    with deployment.warehouse.write() as con:
        con.execute("insert into linkt.executions from linkt.executions")

    told = failures(paid(deployment))["linkt__executions"]

    assert "check executions_key of linkt.executions fails" in told
    assert deployment.sandbox.run_count() == 1


def again_as(
    deployment: Deployment,
    root: dg.ExecuteInProcessResult,
    run: Callable[[Deployment], dg.ExecuteInProcessResult] | None = None,
) -> dg.ExecuteInProcessResult:
    """Execute a Dagster run again, as *Re-execute* does: the new one names the first and has its config."""
    instance = deployment.instance
    with pytest.MonkeyPatch.context() as patched:
        create = partial(instance.create_run_for_job, root_run_id=root.run_id, parent_run_id=root.run_id)
        patched.setattr(instance, "create_run_for_job", create)
        return (run or bought_on_purpose)(deployment)


def bought_on_purpose(deployment: Deployment) -> dg.ExecuteInProcessResult:
    return paid(deployment, assets=["linkt/executions"], config={"linkt__executions": {"again": True}})


def test_a_dagster_run_that_is_executed_again_buys_nothing(deployment: Deployment) -> None:
    """Not even what the first one bought on purpose; that first one may have been deleted."""
    first = bought_on_purpose(deployment)
    second = again_as(deployment, first)
    answer, repeated = (figures(materializations(made)["linkt/executions:search"]) for made in (first, second))
    assert repeated["run_id"] == answer["run_id"]
    deployment.instance.delete_run(first.run_id)
    assert again_as(deployment, first).success
    assert deployment.sandbox.run_count() == 1

    bought_on_purpose(deployment)
    assert deployment.sandbox.run_count() == 2


def paid_alone(deployment: Deployment) -> dg.ExecuteInProcessResult:
    return paid(deployment, assets=["linkt/executions"])


def ticked(deployment: Deployment) -> dg.ExecuteInProcessResult:
    """By a schedule whose moment lies after all that was bought before."""
    return deployment.definitions.resolve_job_def("execute_and_publish").execute_in_process(
        instance=deployment.instance,
        raise_on_error=False,
        partition_key="search",
        asset_selection=[dg.AssetKey(["linkt", "executions"])],
        tags={".dagster/scheduled_execution_time": (datetime.now(UTC) + timedelta(hours=1)).isoformat()},
    )


@pytest.mark.parametrize("ask", [paid_alone, ticked, bought_on_purpose])
def test_a_dagster_run_that_adopted_a_run_does_not_buy_one_when_it_is_executed_again(
    deployment: Deployment, ask: Callable[[Deployment], dg.ExecuteInProcessResult]
) -> None:
    task = deployment.tasks["search"]
    with httpx.Client(base_url=deployment.sandbox.url, headers={"x-api-key": API_KEY}) as client:
        sent = {"icp_id": task.icp_id, "parameters": dict(task.parameters)}
        going = client.post(f"/v1/task/{task.task_id}/execute", json=sent).raise_for_status().json()["run_id"]
    intention = Intention("search", task.task_id, task.icp_id, task.parameters)
    ledger_of(deployment.warehouse).adopt(intention, going)
    first = ask(deployment)
    assert deployment.rows("select state, run_id from linkt.executions") == [("finished", going)]
    assert deployment.rows("from linkt.undelivered") == []

    for _ in range(2):
        repeated = again_as(deployment, first, ask)
        assert figures(materializations(repeated)["linkt/executions:search"])["run_id"] == going
    assert deployment.sandbox.run_count() == 1


def test_a_dagster_run_that_got_what_was_owed_does_not_buy_when_it_is_executed_again(
    deployment: Deployment, own_sql: Path
) -> None:
    model = own_sql / "marts" / "run_history.sql"
    model.write_text(model.read_text().replace("\nselect\n", "\nselect\n    error('put in by a test') as fault,\n"))
    assert not paid(deployment).success
    answered = paid_alone(deployment)
    assert deployment.rows("from linkt.undelivered") == []

    assert again_as(deployment, answered, paid_alone).success

    assert deployment.sandbox.run_count() == 1


def test_of_a_range_only_the_named_tasks_are_executed(deployment: Deployment) -> None:
    """A run of the command over tasks that are no stretch of tasks.yaml, executed again by the code location."""
    result = deployment.definitions.resolve_job_def("execute_and_publish").execute_in_process(
        instance=deployment.instance,
        asset_selection=[dg.AssetKey(["linkt", "executions"])],
        tags={
            "dagster/asset_partition_range_start": "search",
            "dagster/asset_partition_range_end": "news",
            "linkt/tasks": "search,news",
        },
    )

    assert deployment.rows("select task_key from linkt.executions order by 1") == [("news",), ("search",)]
    left_out = figures(materializations(result)["linkt/executions:fair"])
    assert left_out["not_executed"] == "this Dagster run names other tasks"
    assert "run_id" not in left_out
