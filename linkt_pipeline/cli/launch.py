"""Hand a paid run to the Dagster that runs the deployment, and follow it from here.

This goes through the web server and not through the instance. The instance can put a run into the queue too, but only
the web server knows the code location as it is loaded there (its image, its launcher), and whether a daemon takes runs.
The ledger's promise holds here too: whatever is launched beside a Linkt run that is going adopts that run.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from linkt_pipeline.assets.askers import ASKED_BY_TAG, HAND_OVER_TAG, HANDED_OVER, STARTED_BY_TAG
from linkt_pipeline.assets.automation import EXECUTE_AND_PUBLISH, SYNC_AND_PUBLISH
from linkt_pipeline.assets.executions import SANDBOX_MODE
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.cli.dagster_run import FailedCheck, JobResult, StepFailure, partition_tags, without_class
from linkt_pipeline.cli.dagster_web import DagsterWeb, Found, RemoteJob, SilentServerError
from linkt_pipeline.cli.errors import HandOverError, NoDeploymentError, StoppedFollowing
from linkt_pipeline.cli.logged_progress import tell_event, tell_fetch
from linkt_pipeline.cli.output import echo
from linkt_pipeline.cli.progress import Progress
from linkt_pipeline.dagster_address import find_address
from linkt_pipeline.settings import Settings

_ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
_PAUSE_SECONDS = 1.0
_QUEUED_SECONDS = 15.0  # then a person wants to know what the command waits for
_DAEMON_SECONDS = 40.0  # a daemon that has just been started has shown itself by then
_SILENCE_SECONDS = 300.0  # a web server or a daemon that is being redeployed is back by then
_SEARCH_SECONDS = 60.0  # a launch whose reply was lost has become a run by then


@dataclass
class _Followed:
    """A run that is being followed: the place in its log, and what was found in the log so far."""

    run_id: str
    cursor: str | None = None
    status: str = ""
    since: float = field(default_factory=time.monotonic)
    reported_queued: bool = False
    repeated_by: str | None = None
    paid: bool = False
    failures: list[StepFailure] = field(default_factory=list)
    failed_checks: list[FailedCheck] = field(default_factory=list)


class RemoteDeployment:
    """The code location of this deployment, in the Dagster that runs it.

    Args:
        settings: the environment; names the web server, and says whether this is the sandbox.
        sleep: waits between two looks.

    Raises:
        NoDeploymentError: there is no web server, no code location or no daemon that could take a run.
    """

    def __init__(self, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
        url = find_address(settings)
        if url is None:
            raise NoDeploymentError(
                "this command knows no Dagster that could execute the tasks. Start `linkt-pipeline ui`, or set "
                "LINKT_DAGSTER_URL to the web server of the deployment; or leave out --launch to execute them here"
            )
        self._web, self._sleep = DagsterWeb(url), sleep
        try:
            found = self._await_daemon()
        except SilentServerError as error:
            raise NoDeploymentError(f"{error}. Nothing was launched; is LINKT_DAGSTER_URL right?") from None
        self._job = self._find(found, EXECUTE_AND_PUBLISH)
        self._sync = RemoteJob(self._job.location, self._job.repository, SYNC_AND_PUBLISH)
        path = tuple(Placement().executions.path)
        paid = next(asset for asset in self._web.assets_of(self._job) if asset.key[-len(path) :] == path)
        self.tasks = paid.partitions
        self._paid_step = Placement(paid.key[: -len(path)]).paid_step
        if (SANDBOX_MODE.items() <= paid.tags.items()) is not settings.sandbox:
            here, there = ("made-up", "real") if settings.sandbox else ("real", "made-up")
            raise NoDeploymentError(
                f"this command works with {here} data, and Dagster at {url} with {there} data; nothing was launched"
            )

    def _await_daemon(self) -> Found:
        deadline = time.monotonic() + _DAEMON_SECONDS
        while (found := self._web.look_around()).takes_no_run:
            if time.monotonic() > deadline:
                raise NoDeploymentError(
                    f"Dagster at {self._web.url} has no daemon that takes runs from its queue; nothing was launched. "
                    "Start one: dagster-daemon run"
                )
            self._sleep(_PAUSE_SECONDS)
        return found

    def _find(self, found: Found, name: str) -> RemoteJob:
        jobs = [job for job in found.jobs if job.name == name]
        if len(jobs) == 1:
            return jobs[0]
        if jobs:
            where = ", ".join(job.location for job in jobs)
            raise NoDeploymentError(f"several code locations at {self._web.url} have a job {name}: {where}")
        broken = "; ".join(f"{place} can't be loaded: {_last_line(error)}" for place, error in found.broken.items())
        raise NoDeploymentError(
            f"no code location of Dagster at {self._web.url} has a job {name}; nothing was launched. "
            f"{broken or 'Does its workspace.yaml name linkt_pipeline.definitions?'}"
        )

    def execute(self, tasks: Iterable[str], *, again: bool, over_budget: bool = False) -> str:
        """Launch the paid job for some tasks, which wait side by side in one Dagster run; gives the run's id.

        Raises:
            NoDeploymentError: the deployment knows no such task, or refuses the run; nothing was launched.
            HandOverError: no answer came, so it may have been launched.
        """
        names = list(tasks)
        if unknown := [name for name in names if name not in self.tasks]:
            raise NoDeploymentError(
                f"Dagster at {self._web.url} knows no task {', '.join(unknown)}; nothing was launched. It knows "
                f"{', '.join(self.tasks)}: reload its code location if tasks.yaml has changed since it was loaded"
            )
        wishes = {name: True for name, wished in (("again", again), ("over_budget", over_budget)) if wished}
        config = {"ops": {self._paid_step: {"config": wishes}}} if wishes else {}
        return self._launch(self._job, partition_tags(names, self.tasks), config)

    def land(self, run_id: str) -> str:
        """Launch the free job for what a failed paid run has left; gives the run's id."""
        return self._launch(self._sync, {ASKED_BY_TAG: run_id}, {})

    def _launch(self, job: RemoteJob, tags: Mapping[str, str], config: Mapping[str, Any]) -> str:
        perhaps = (
            f"Dagster may have launched the run: look at {self._web.url}/runs before you repeat the command. The "
            "command adopts a run that is going; it buys again what has ended and is published"
        )
        try:
            run_id = self._launch_once(job, {**tags, STARTED_BY_TAG: HANDED_OVER}, config)
        except SilentServerError as error:
            raise HandOverError(f"{error}. {perhaps}") from None
        except KeyboardInterrupt:
            raise StoppedFollowing(f"interrupted before the answer came. {perhaps}") from None
        echo(f"handed to Dagster: {self._page_of(run_id)}")
        return run_id

    def _launch_once(self, job: RemoteJob, tags: Mapping[str, str], config: Mapping[str, Any]) -> str:
        """Send the launch once. If its reply is lost, the run is found by a tag that no other launch has."""
        mark = uuid4().hex
        try:
            return self._web.launch(job, {**tags, HAND_OVER_TAG: mark}, config)
        except SilentServerError:
            if found := self._find_launched(mark):
                return found
            raise

    def _find_launched(self, mark: str) -> str | None:
        """The run of a launch, once the web server shows it; None if it shows none for a minute."""
        deadline = time.monotonic() + _SEARCH_SECONDS
        while time.monotonic() < deadline:
            with suppress(SilentServerError):
                if found := self._web.first_run_tagged(HAND_OVER_TAG, mark):
                    return found
            self._sleep(_PAUSE_SECONDS)
        return None

    def _page_of(self, run_id: str) -> str:
        return f"{self._web.url}/runs/{run_id}"

    def follow(self, run_id: str, progress: Progress) -> JobResult:
        """Wait for the end of a run and show what happens meanwhile.

        If a run is stopped, by an upgrade say, the deployment's daemon executes it again, and this follows the new one.

        Raises:
            StoppedFollowing: Ctrl-C; the run goes on.
            HandOverError: the web server no longer answers, or a daemon is gone that the run waits for.
        """
        run = _Followed(run_id)
        while self._follow_to_end(run, progress):
            echo(f"the Dagster run failed, and Dagster executes it again: {self._page_of(str(run.repeated_by))}")
            run = _Followed(str(run.repeated_by), paid=run.paid)  # what has succeeded is not repeated
        return JobResult(
            run.run_id,
            run.status == "SUCCESS",
            tuple(run.failures),
            tuple(run.failed_checks),
            {},
            run.paid,
            self._page_of(run.run_id),
        )

    def _follow_to_end(self, run: _Followed, progress: Progress) -> bool:
        """Follow one run. Returns whether the daemon has executed it again."""
        heard = time.monotonic()
        try:
            while run.status not in _ENDED:
                try:
                    self._look(run, progress)
                    heard = time.monotonic()
                except SilentServerError as error:
                    if time.monotonic() - heard > _SILENCE_SECONDS:
                        raise HandOverError(
                            f"{error}, for five minutes. Dagster run {run.run_id} goes on in the deployment"
                        ) from None
                self._sleep(_PAUSE_SECONDS)
            return self._await_repetition(run)
        except KeyboardInterrupt:
            raise StoppedFollowing(
                f"stopped following. Dagster run {run.run_id} goes on in the deployment; Terminate at "
                f"{self._page_of(run.run_id)} stops it"
            ) from None

    def _await_repetition(self, run: _Followed) -> bool:
        deadline = time.monotonic() + _SILENCE_SECONDS
        while run.status == "FAILURE":
            with suppress(SilentServerError):
                page = self._web.read_log(run.run_id, run.cursor)
                run.repeated_by = page.repeated_by
                if not page.will_be_repeated or run.repeated_by:
                    break
            if time.monotonic() > deadline:
                raise HandOverError(
                    f"Dagster run {run.run_id} failed, and no daemon has executed it again for five minutes. The Linkt "
                    "runs that it waited for go on. They are adopted when a daemon is back (dagster-daemon run), or "
                    "when you repeat this command"
                )
            self._sleep(_PAUSE_SECONDS)
        return run.repeated_by is not None

    def _look(self, run: _Followed, progress: Progress) -> None:
        while True:
            page = self._web.read_log(run.run_id, run.cursor)
            for event in page.events:
                self._take(run, event, progress)
            run.cursor, run.status = page.cursor, page.status
            # The end is believed when nothing is left to read: status and log come from two tables.
            if not page.has_more and not (page.events and page.status in _ENDED):
                break
        if run.status == "QUEUED" and not run.reported_queued and time.monotonic() - run.since > _QUEUED_SECONDS:
            run.reported_queued = True
            if self._web.look_around().takes_no_run:
                raise HandOverError(
                    f"run {run.run_id} waits in the queue of Dagster at {self._web.url}, and the daemon that would "
                    "take it is gone. It starts when the daemon is back: dagster-daemon run"
                )
            echo(f"run {run.run_id} waits for its turn in Dagster's queue ...")
        if run.status == "CANCELED":
            run.failures.append(StepFailure("run", f"the Dagster run {run.run_id} was terminated"))

    def _take(self, run: _Followed, event: Mapping[str, Any], progress: Progress) -> None:
        step = event.get("stepKey") or ""
        match event["__typename"]:
            case "ExecutionStepStartEvent":
                progress.on_step(step, True)
            case "ExecutionStepSuccessEvent":
                progress.on_step(step, False)
                run.paid = run.paid or step == self._paid_step
            case "ExecutionStepFailureEvent":
                progress.on_step(step, False)
                run.failures.append(self._failure(step, event))
            case "RunFailureEvent" if not run.failures:
                said = event.get("error") or event  # who marks a run as failed from outside gives no error
                run.failures.append(StepFailure("run", without_class(said["message"])))
            case "LogMessageEvent" if step == self._paid_step:
                tell_event(progress, event["message"], is_warning=event["level"] == "WARNING")
            case "LogMessageEvent":
                tell_fetch(progress, event["message"])
            case "AssetCheckEvaluationEvent":
                run.failed_checks.extend(self._failed(event["evaluation"]))

    def _failed(self, check: Mapping[str, Any]) -> Iterator[FailedCheck]:
        if check["success"] or check["severity"] != "ERROR":
            return
        path = check["assetKey"]["path"]
        blocking = True  # without an answer, assume the careful case
        with suppress(SilentServerError):
            blocking = self._web.is_blocking(path, check["checkName"])
        yield FailedCheck(tuple(path), check["checkName"], check["description"] or "", blocking)

    def _failure(self, step: str, event: Mapping[str, Any]) -> StepFailure:
        is_paid = step == self._paid_step
        if text := (event.get("failureMetadata") or {}).get("description"):
            return StepFailure(step, text, is_paid=is_paid)
        error = event.get("error") or {"message": event["message"], "className": None}
        cause = [error, *error.get("causes", ())][-1]
        return StepFailure(step, without_class(cause["message"]), cause["className"] or "Error", is_paid)


def _last_line(text: str) -> str:
    """The last line of an error of Dagster: it says what went wrong, after the stack."""
    return text.strip().splitlines()[-1] if text.strip() else "no reason given"
