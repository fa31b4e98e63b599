"""A real ``dagster dev`` in a process group of its own, spoken to over GraphQL."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.paths import PROJECT_ROOT

_START_SECONDS = 90
_RUN_SECONDS = 90
GUARDED = ("linkt_pipeline.cli.dagster_dev",)
UNGUARDED = ("dagster", "dev")
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


class DagsterDev:
    """One running instance.

    Attributes:
        url: of the web server.
        home: the instance's folder.
        process: leader of the process group, where there is one.
        location: name of the code location that is spoken of.
    """

    def __init__(
        self, url: str, home: Path, process: subprocess.Popen[bytes] | None = None, location: str = "linkt_pipeline"
    ) -> None:
        self.url, self.home, self.process = url, home, process
        self._location = {"repositoryLocationName": location, "repositoryName": "__repository__"}

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Ask, and give the ``data`` of the answer."""
        body = json.dumps({"query": query, "variables": dict(variables or {})}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def materialize(self, *partitions: str, job: str = "__ASSET_JOB", assets: list[list[str]] | None = None) -> str:
        """Launch assets (default: the paid one; empty: all of a job) for a range of partitions. Gives the run's id."""
        chosen = [_PAID] if assets is None else assets
        selector = {**self._location, "jobName": job, "assetSelection": [{"path": path} for path in chosen]}
        tags = []
        if len(partitions) == 1:
            tags = [{"key": "dagster/partition", "value": partitions[0]}]
        elif partitions:
            tags = [
                {"key": "dagster/asset_partition_range_start", "value": partitions[0]},
                {"key": "dagster/asset_partition_range_end", "value": partitions[-1]},
            ]
        launched = self.graphql(
            """
            mutation ($params: ExecutionParams!) {
              launchPipelineExecution(executionParams: $params) {
                __typename
                ... on LaunchRunSuccess { run { runId } }
                ... on PythonError { message }
              }
            }
            """,
            {"params": {"selector": selector, "executionMetadata": {"tags": tags}, "runConfigData": {}}},
        )["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def runs_tagged(self, key: str, value: str) -> list[str]:
        """Ids of the Dagster runs with a tag, newest first."""
        query = """
            query ($tags: [ExecutionTag!]) {
              runsOrError(filter: {tags: $tags}) { ... on Runs { results { runId } } }
            }
        """
        found = self.graphql(query, {"tags": [{"key": key, "value": value}]})["runsOrError"]["results"]
        return [run["runId"] for run in found]

    def repetitions(self, run_id: str) -> list[str]:
        """Ids of the Dagster runs that execute this one again."""
        return self.runs_tagged("dagster/parent_run_id", run_id)

    def execute_again(self, run_id: str, *, steps: Sequence[str] = ()) -> str:
        """What *Re-execute* does, for all steps or those that a person selects; gives the id of the new Dagster run."""
        given: dict[str, Any] = {"reexecutionParams": {"parentRunId": run_id, "strategy": "ALL_STEPS"}}
        if steps:
            given = {"executionParams": {**self._launched_as(run_id), "stepKeys": list(steps)}}
        answer = self.graphql(
            """
            mutation ($reexecutionParams: ReexecutionParams, $executionParams: ExecutionParams) {
              launchRunReexecution(reexecutionParams: $reexecutionParams, executionParams: $executionParams) {
                __typename
                ... on LaunchRunSuccess { run { runId } }
                ... on PythonError { message }
              }
            }
            """,
            given,
        )["launchRunReexecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def _launched_as(self, run_id: str) -> dict[str, Any]:
        """The parameters of a launch that repeats a Dagster run, as the UI makes them for selected steps."""
        query = """
            query ($id: ID!) {
              runOrError(runId: $id) {
                ... on Run { pipelineName runConfigYaml rootRunId assetSelection { path } tags { key value } }
              }
            }
        """
        run = self.graphql(query, {"id": run_id})["runOrError"]
        root = run["rootRunId"] or run_id
        return {
            "mode": "default",
            "runConfigData": run["runConfigYaml"],
            "selector": {
                **self._location,
                "jobName": run["pipelineName"],
                "assetSelection": run["assetSelection"] or [],
            },
            "executionMetadata": {"parentRunId": run_id, "rootRunId": root, "tags": run["tags"]},
        }

    def terminate(self, run_id: str) -> None:
        """What the Terminate button does."""
        answer = self.graphql(
            """
            mutation ($id: String!) {
              terminateRun(runId: $id) { __typename ... on TerminateRunFailure { message } }
            }
            """,
            {"id": run_id},
        )["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def status(self, run_id: str) -> str:
        """Status of a Dagster run."""
        query = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        return str(self.graphql(query, {"id": run_id})["runOrError"]["status"])

    def messages(self, run_id: str) -> str:
        """The log of a Dagster run as one text."""
        query = """
            query ($id: ID!) {
              logsForRun(runId: $id, limit: 1000) {
                ... on EventConnection { events { ... on MessageEvent { message } } }
              }
            }
        """
        return "\n".join(
            event.get("message", "") for event in self.graphql(query, {"id": run_id})["logsForRun"]["events"]
        )

    def wait_until(self, run_id: str, statuses: set[str] = ENDED) -> str:
        """Wait for a Dagster run to reach one of the statuses."""
        deadline = time.monotonic() + _RUN_SECONDS
        while (status := self.status(run_id)) not in statuses:
            assert time.monotonic() < deadline, f"run {run_id} is {status} still:\n{self.messages(run_id)}"
            time.sleep(0.2)
        return status


_PAID = ["linkt", "executions"]


@contextmanager
def dagster_dev(
    folder: Path, environment: Mapping[str, str], home: Path | None = None, *, command: Sequence[str] = GUARDED
) -> Iterator[DagsterDev]:
    """Start ``dagster dev`` as ``linkt-pipeline ui`` does, and end its whole group on the way out.

    Args:
        folder: working directory; receives the log.
        environment: added to this process's own.
        home: the instance's folder, if it is not the data folder (in sandbox mode it is a folder below).
        command: arguments of Python that start it.
    """
    home = home or Path(environment["LINKT_DATA_DIR"])
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT_ROOT / "data" / "dagster.yaml", home)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = (folder / "dagster.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "-w", str(PROJECT_ROOT / "workspace.yaml"), "-p", str(port)],
        cwd=folder,
        env={**os.environ, **environment, "DAGSTER_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        _await_ready(url, process, folder / "dagster.log")
        yield DagsterDev(url, home, process)
    finally:
        _end(process)
        log.close()


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
