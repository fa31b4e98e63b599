"""The command beside a Dagster that runs on the same instance: its runs are executed again there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from linkt_pipeline.sandbox import Sandbox, running_sandbox
from tests.cli.command import SEARCH, SIGNALS, Command
from tests.end_to_end.dagster_dev import DagsterDev, dagster_dev

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

# `between` stands between the two that are executed together; nobody asks for it.
TASKS = f"""
defaults: {{poll_interval: 100ms}}
tasks:
  search: {{task_id: {SEARCH["task_id"]}, icp_id: {SEARCH["icp_id"]}, parameters: {{num_results: 3}}}}
  between: {{task_id: 6964b9f05a4d0beef1000032, icp_id: 6964b84c5a4d0beef1000012}}
  signals: {{task_id: {SIGNALS["task_id"]}, icp_id: {SIGNALS["icp_id"]}}}
"""
REEXECUTE = """
    mutation ($run: String!) {
      launchRunReexecution(reexecutionParams: {parentRunId: $run, strategy: ALL_STEPS, useParentRunTags: true}) {
        __typename
        ... on LaunchRunSuccess { run { runId } }
        ... on PythonError { message }
      }
    }
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

    answer = beside.dagster.graphql(REEXECUTE, {"run": newest_run(beside.dagster)})["launchRunReexecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    again = answer["run"]["runId"]

    assert beside.dagster.wait_until(again) == "SUCCESS", beside.dagster.messages(again)
    said = beside.dagster.messages(again)
    assert "search: adopted run" in said
    assert "signals: adopted run" in said
    assert "between:" not in said
    assert beside.api.run_count() == bought
