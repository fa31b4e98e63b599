"""A Dagster deployment as its web server shows it by GraphQL, Dagster's public interface for other processes.

The web server knows what this process can't know: the code location as it is loaded there, with its image and its
launcher. That holds for every storage, coordinator and launcher. It launches exactly what a click in the UI launches.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from linkt_pipeline.cli.errors import HandOverError, NoDeploymentError

_ANSWER_SECONDS = 60.0  # a code location on another machine takes seconds to plan a run
_QUEUE_DAEMON = "QUEUED_RUN_COORDINATOR"
_JSON = {"content-type": "application/json"}  # the guard of `ui` takes nothing else

_DEPLOYMENT = """
    query {
      repositoriesOrError {
        ... on RepositoryConnection { nodes { name location { name } jobs { name } } }
        ... on PythonError { message }
      }
      workspaceOrError {
        ... on Workspace { locationEntries { name locationOrLoadError { ... on PythonError { message } } } }
      }
      instance { runQueuingSupported daemonHealth { allDaemonStatuses { daemonType healthy } } }
    }
"""
_ASSETS = """
    query ($job: PipelineSelector!) {
      assetNodes(pipeline: $job) { assetKey { path } partitionKeys tags { key value } }
    }
"""
_LAUNCH = """
    mutation ($params: ExecutionParams!) {
      launchPipelineExecution(executionParams: $params) {
        __typename
        ... on LaunchRunSuccess { run { runId } }
        ... on RunConfigValidationInvalid { errors { message } }
        ... on Error { message }
      }
    }
"""
_LOG = """
    query ($id: ID!, $after: String) {
      runOrError(runId: $id) { __typename ... on Run { status tags { key value } } ... on Error { message } }
      logsForRun(runId: $id, afterCursor: $after, limit: 500) {
        ... on EventConnection {
          cursor
          hasMore
          events {
            __typename
            ... on MessageEvent { message level stepKey }
            ... on ExecutionStepFailureEvent { error { ...said causes { ...said } } failureMetadata { description } }
            ... on RunFailureEvent { error { ...said } }
            ... on AssetCheckEvaluationEvent {
              evaluation { assetKey { path } checkName success severity description }
            }
          }
        }
      }
    }
    fragment said on PythonError { message className }
"""
_TAGGED = """
    query ($tags: [ExecutionTag!]) { runsOrError(filter: {tags: $tags}) { ... on Runs { results { runId } } } }
"""
_BLOCKING = """
    query ($asset: AssetKeyInput!, $check: String!) {
      assetNodeOrError(assetKey: $asset) {
        ... on AssetNode { assetCheckOrError(checkName: $check) { ... on AssetCheck { blocking } } }
      }
    }
"""


class SilentServerError(HandOverError):
    """The web server can't be reached, or doesn't answer as one."""


@dataclass(frozen=True)
class RemoteJob:
    """A job of a code location that the web server has loaded."""

    location: str
    repository: str
    name: str

    @property
    def selector(self) -> dict[str, str]:
        """As GraphQL names it."""
        return {"repositoryLocationName": self.location, "repositoryName": self.repository, "pipelineName": self.name}


@dataclass(frozen=True)
class RemoteAsset:
    """An asset of a job: its key, its partitions in their order, its tags."""

    key: tuple[str, ...]
    partitions: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Found:
    """What a web server has to offer.

    Attributes:
        jobs: all of them.
        broken: code locations that can't be loaded, and why.
        takes_no_run: runs wait in a queue, and no daemon takes them from it.
    """

    jobs: Sequence[RemoteJob]
    broken: Mapping[str, str]
    takes_no_run: bool


@dataclass(frozen=True)
class LogPage:
    """A piece of a run's log, oldest first, and the status and the tags of the run."""

    status: str
    events: Sequence[Mapping[str, Any]]
    cursor: str | None
    has_more: bool
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def will_be_repeated(self) -> bool:
        """Whether Dagster's daemon executes the run again by itself (``run_retries``)."""
        return self.status == "FAILURE" and self.tags.get("dagster/will_retry") == "true"

    @property
    def repeated_by(self) -> str | None:
        """The run by which the daemon has executed it again."""
        return self.tags.get("dagster/auto_retry_run_id")


@dataclass(frozen=True)
class DagsterWeb:
    """A Dagster web server.

    Args:
        url: its address.
    """

    url: str

    def look_around(self) -> Found:
        """Jobs, code locations and the queue's daemon.

        Raises:
            SilentServerError: it does not answer.
            NoDeploymentError: it says that it can't read its code locations.
        """
        data = self._ask(_DEPLOYMENT)
        repositories = data["repositoriesOrError"]
        if "nodes" not in repositories:
            raise NoDeploymentError(f"Dagster at {self.url} can't load its code: {repositories.get('message')}")
        jobs = [
            RemoteJob(node["location"]["name"], node["name"], job["name"])
            for node in repositories["nodes"]
            for job in node["jobs"]
        ]
        entries = data["workspaceOrError"].get("locationEntries", ())
        broken = {
            entry["name"]: error["message"]
            for entry in entries
            if "message" in (error := entry["locationOrLoadError"] or {})
        }
        instance = data["instance"]
        healthy = {row["daemonType"] for row in instance["daemonHealth"]["allDaemonStatuses"] if row["healthy"]}
        return Found(jobs, broken, instance["runQueuingSupported"] and _QUEUE_DAEMON not in healthy)

    def assets_of(self, job: RemoteJob) -> list[RemoteAsset]:
        """The assets that a job makes."""
        return [
            RemoteAsset(tuple(node["assetKey"]["path"]), tuple(node["partitionKeys"]), _by_key(node["tags"]))
            for node in self._ask(_ASSETS, job=job.selector)["assetNodes"]
        ]

    def launch(self, job: RemoteJob, tags: Mapping[str, str], run_config: Mapping[str, Any]) -> str:
        """Launch a job, and return the id of the Dagster run.

        Raises:
            NoDeploymentError: Dagster refused it; nothing was launched.
            SilentServerError: no answer came, so it may have been launched.
        """
        params = {
            "selector": job.selector,
            "runConfigData": run_config,
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        answer = self._ask(_LAUNCH, params=params)["launchPipelineExecution"]
        if answer["__typename"] == "LaunchRunSuccess":
            return str(answer["run"]["runId"])
        reason = answer.get("message") or "; ".join(error["message"] for error in answer.get("errors", ()))
        raise NoDeploymentError(
            f"Dagster at {self.url} did not launch job {job.name} of code location {job.location}: "
            f"{reason or answer['__typename']}"
        )

    def read_log(self, run_id: str, cursor: str | None) -> LogPage:
        """What a run has logged after a cursor.

        Raises:
            SilentServerError: it does not answer now.
            HandOverError: there is no such run.
        """
        data = self._ask(_LOG, id=run_id, after=cursor)
        run, log = data["runOrError"], data["logsForRun"]
        if "status" not in run or "events" not in log:
            raise HandOverError(f"Dagster at {self.url} knows nothing of run {run_id}: {run.get('message', '')}")
        return LogPage(run["status"], log["events"], log["cursor"], log["hasMore"], _by_key(run["tags"]))

    def first_run_tagged(self, key: str, value: str) -> str | None:
        """The first Dagster run with a tag; those that execute it again have the tag, too.

        Raises:
            SilentServerError: it does not answer now.
        """
        found = self._ask(_TAGGED, tags=[{"key": key, "value": value}])["runsOrError"].get("results")
        return str(found[-1]["runId"]) if found else None

    def is_blocking(self, asset: Sequence[str], check: str) -> bool:
        """Whether a check that fails holds back what is downstream."""
        found = self._ask(_BLOCKING, asset={"path": list(asset)}, check=check)["assetNodeOrError"]
        return bool(found.get("assetCheckOrError", {}).get("blocking"))

    def _ask(self, query: str, **variables: Any) -> Any:
        """Send a query, and return the ``data`` of the answer.

        Raises:
            SilentServerError: no answer came, or one that is not Dagster's.
        """
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, _JSON)  # noqa: S310 checked address
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as reply:  # noqa: S310
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            said = error.read(500).decode(errors="replace").strip()
            raise SilentServerError(f"{self.url} answers {error.code}: {said or error.reason}") from None
        except (OSError, ValueError) as error:
            raise SilentServerError(f"{self.url} does not answer: {getattr(error, 'reason', error)}") from None
        if not isinstance(answer, dict) or not answer.get("data"):
            errors = answer.get("errors") if isinstance(answer, dict) else None
            raise SilentServerError(f"{self.url} does not answer as Dagster's web server: {errors or answer}")
        return answer["data"]


def _by_key(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in tags}
