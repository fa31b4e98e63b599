"""The command beside a Dagster that runs on the same instance: its runs are executed again there, or executed there."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from linkt_pipeline.sandbox import Sandbox, running_sandbox
from tests.cli.command import SEARCH, SIGNALS, Command
from tests.end_to_end.dagster_dev import DagsterDev, dagster_dev
from tests.few_models import write_few_models

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

# `between` stands between the two that are executed together; nobody asks for it.
TASKS = f"""
defaults: {{poll_interval: 100ms}}
tasks:
  search: {{task_id: {SEARCH["task_id"]}, icp_id: {SEARCH["icp_id"]}, parameters: {{num_results: 3}}}}
  between: {{task_id: 6964b9f05a4d0beef1000032, icp_id: 6964b84c5a4d0beef1000012}}
  signals: {{task_id: {SIGNALS["task_id"]}, icp_id: {SIGNALS["icp_id"]}}}
"""
NEWEST = """
    { runsOrError(filter: {pipelineName: "execute_and_publish"}, limit: 1) { ... on Runs { results { runId } } } }
"""


@dataclass
class Beside:
    """A Linkt API, a Dagster, and the command in the folder of both."""

    api: Sandbox
    dagster: DagsterDev
    command: Command


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    folder = tmp_path_factory.mktemp("beside")
    (folder / "tasks.yaml").write_text(TASKS)
    with running_sandbox(speed=20) as api:
        environment = {
            "LINKT_API_KEY": api.api_key,
            "LINKT_BASE_URL": api.url,
            "LINKT_DATA_DIR": str(folder / "data"),
            "LINKT_TASKS_FILE": str(folder / "tasks.yaml"),
            "LINKT_SQL_DIR": str(write_few_models(folder / "sql")),
        }
        with dagster_dev(folder, environment, Path(folder / "data")) as dagster:
            yield Beside(api, dagster, Command(folder, environment))


def newest_run(dagster: DagsterDev) -> str:
    return str(dagster.graphql(NEWEST)["runsOrError"]["results"][0]["runId"])


def test_a_run_of_the_command_is_executed_again_and_buys_nothing_twice(beside: Beside) -> None:
    ended = beside.command("run", "search", "signals")
    assert ended.code == 0, ended.err
    bought = beside.api.run_count()
    assert bought == 2

    again = beside.dagster.execute_again(newest_run(beside.dagster))

    assert beside.dagster.wait_until(again) == "SUCCESS", beside.dagster.messages(again)
    said = beside.dagster.messages(again)
    assert "search: adopted run" in said
    assert "signals: adopted run" in said
    assert "between:" not in said
    assert beside.api.run_count() == bought


def test_what_selected_steps_bought_is_used_up_when_they_have_ended(beside: Beside) -> None:
    """The last step, which uses an outcome up, is not among them; so the next start buys."""
    bought = beside.api.run_count()
    beside.api.inject("failed_run=timeout")
    failed = beside.dagster.materialize("signals", job="execute_and_publish", assets=[])
    assert beside.dagster.wait_until(failed) == "FAILURE"

    steps = beside.dagster.execute_again(failed, steps=["linkt__executions"])
    assert beside.dagster.wait_until(steps) == "SUCCESS", beside.dagster.messages(steps)
    assert beside.api.run_count() == bought + 2

    assert beside.dagster.wait_until(beside.dagster.materialize("signals")) == "SUCCESS"
    assert beside.api.run_count() == bought + 3


def test_a_run_is_handed_to_the_deployment_and_followed(beside: Beside) -> None:
    bought = beside.api.run_count()

    ended = beside.command("run", "--launch", "signals", "search", LINKT_DAGSTER_URL=beside.dagster.url)

    assert ended.code == 0, ended.err
    assert ended.out.count("handed to Dagster: ") == 1
    assert "between" not in ended.out
    for line in ("search: started run ", "signals: started run ", "publishing the snapshot ...", " settled ("):
        assert line in ended.out
    assert {line.split()[0] for line in ended.out.splitlines() if " COMPLETED " in line} >= {"search", "signals"}
    assert beside.api.run_count() == bought + 2


def test_ctrl_c_stops_following_and_the_run_goes_on(beside: Beside) -> None:
    bought = beside.api.run_count()
    beside.api.inject("run_life=15")
    process = beside.command.start("run", "--launch", "between", LINKT_DAGSTER_URL=beside.dagster.url)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    handed = next(line for line in lines if line.startswith("handed to Dagster: "))
    next(line for line in lines if line.startswith("between: started run"))
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    run_id = handed.strip().rpartition("/")[2]
    assert f"stopped following. Dagster run {run_id} goes on in the deployment" in err
    assert "Traceback" not in err
    assert beside.dagster.wait_until(run_id) == "SUCCESS"
    assert beside.api.run_count() == bought + 1


def test_a_deployment_that_can_not_take_a_run_is_told_before_anything_is_bought(beside: Beside, tmp_path: Path) -> None:
    bought = beside.api.run_count()
    other = tmp_path / "tasks.yaml"
    other.write_text(TASKS.replace("between:", "brand_new:"))
    url = beside.dagster.url

    unknown = beside.command("run", "--launch", "brand_new", LINKT_TASKS_FILE=str(other), LINKT_DAGSTER_URL=url)
    sandbox = beside.command("run", "--launch", "saas_signals", LINKT_USE_SANDBOX="1", LINKT_DAGSTER_URL=url)

    assert (unknown.code, sandbox.code) == (2, 2)
    assert "knows no task brand_new; nothing was launched. It knows search, between, signals" in unknown.err
    assert "this command works with made-up data, and Dagster" in sandbox.err
    assert beside.api.run_count() == bought
