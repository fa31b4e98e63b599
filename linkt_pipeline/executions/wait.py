"""Wait for a run until it is terminal: for hours, cheaply, through every network failure."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from linkt_pipeline.access.errors import DailyLimitReachedError, NoRequestError
from linkt_pipeline.api import (
    AuthenticationError,
    BodyTooLargeError,
    InvalidIdError,
    LinktApiError,
    NotFoundError,
    PermissionDeniedError,
    Run,
    RunQueue,
    same_id,
)
from linkt_pipeline.collection.land_runs import keep_unusable_runs, land_queue
from linkt_pipeline.collection.seen_run import SeenRun, see_run
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.errors import RunGoneError, RunNotLandedError, RunNotVisibleError, StillRunningError
from linkt_pipeline.executions.events import RunProgress
from linkt_pipeline.executions.polling import PollSchedule
from linkt_pipeline.executions.reconcile import find_started_run
from linkt_pipeline.executions.settle import settle_confirmed
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.values import Execution, ExecutionState, LeaseLostError, RunTakenError
from linkt_pipeline.tasks import TaskSpec

_DAILY_LIMIT_PAUSE = timedelta(minutes=10)  # the day's own request limit is used up: look again every ten minutes


@dataclass(frozen=True)
class Waited:
    """A terminal run, and the counts of its queue as they were last seen (empty when they never were)."""

    seen: SeenRun
    queue: dict[str, int]

    @property
    def run(self) -> Run:
        """The run itself."""
        return self.seen.run


async def wait_for_run(worker: Worker, task: TaskSpec, execution: Execution) -> Waited:
    """Look at a started run until it is terminal.

    Network errors, 5xx, 429, unreadable bodies and a busy warehouse never end the wait; unknown statuses count as
    running.

    Returns:
        The terminal run, as the single-run read gave it, and its queue.

    Raises:
        StillRunningError: ``max_wait`` passed; the run goes on and stays adoptable.
        RunGoneError: the run answers 404 for longer than a lagging replica explains, its task can be read, and the
            list of runs, searched over the settle window, does not have the run.
        StartNotFoundError: the reply to the start named a run of another task, and the list has no run of this start.
        AmbiguousRunsError: the run was never seen, and several runs in the list could be this one.
        RunNotVisibleError: run and task both answer 404; the run stays adoptable.
        AuthenticationError, PermissionDeniedError: the key no longer works; the run stays adoptable.
        RunNotLandedError: the run is larger than what is read; it stays adoptable.
        LeaseLostError: another process took the execution over.
    """
    return await _Wait(worker, task, execution).until_terminal()


class _Wait:
    def __init__(self, worker: Worker, task: TaskSpec, execution: Execution) -> None:
        self.worker, self.task, self.execution = worker, task, execution
        self.run_id = str(execution.run_id)
        self.schedule = PollSchedule(task.poll_interval)
        self.begun_at = datetime.now(UTC)
        self.status = execution.run_status or "SCHEDULED"
        self.shown: tuple[str, dict[str, int]] | None = None
        self.queue: dict[str, int] = {}
        self.queue_due_at = self.begun_at + self.schedule.base * 2
        self.missing_since: float | None = None  # on the monotonic clock: a wall clock that is set ends no wait
        self.was_seen = False
        self.failing = False

    async def until_terminal(self) -> Waited:
        while True:
            pause = self.schedule.jittered(self.age)
            try:
                seen = await see_run(self.worker.client, self.run_id, attempts=1)
            except (AuthenticationError, PermissionDeniedError, InvalidIdError):
                raise
            except NotFoundError:
                await self._on_missing()
            except BodyTooLargeError as error:  # another look brings no less
                await self.worker.call(keep_unusable_runs, self.worker.warehouse, [(self.run_id, error)])
                raise RunNotLandedError(self.task.key, self.run_id, error.reason) from None
            except DailyLimitReachedError as error:
                pause = max(pause, _DAILY_LIMIT_PAUSE)
                self._on_failure(error)
            except (LinktApiError, NoRequestError) as error:
                pause = max(pause, getattr(error, "retry_after", None) or timedelta(0))
                self._on_failure(error)
            else:
                # A reply mixed up on its way can name a stranger: to land it would buy our own run a second time.
                if not same_id(seen.run.task_id or self.execution.task_id, self.execution.task_id):
                    await self._leave_to_others(seen.run)
                    continue
                self.missing_since, self.was_seen, self.failing = None, True, False
                await self._take_id(seen.run)
                await self._on_seen(seen.run)
                if seen.run.status.is_terminal:
                    return Waited(seen, self.queue)
            await self._sleep(pause)

    @property
    def age(self) -> timedelta:
        return datetime.now(UTC) - (self.execution.started_at or self.begun_at)

    async def _sleep(self, pause: timedelta) -> None:
        remaining = self.begun_at + self.task.max_wait - datetime.now(UTC)
        if remaining <= timedelta(0):
            raise StillRunningError(self.task.key, self.run_id, self.status, self.task.max_wait)
        await asyncio.sleep(min(pause, remaining).total_seconds())

    def _on_failure(self, error: LinktPipelineError) -> None:
        if not self.failing:
            self.worker.warn(self.task.key, f"can't see run {self.run_id} just now, still waiting: {error}")
        self.failing = True

    async def _on_missing(self) -> None:
        now = asyncio.get_running_loop().time()
        self.missing_since = now if self.missing_since is None else self.missing_since
        if now - self.missing_since < self.worker.timing.gone.total_seconds():
            return
        try:
            await self.worker.client.get_task(self.task.task_id)
            listed = await self._look_in_list()
        except NotFoundError:
            # The key of another organization sees neither run nor task. Closing the row now would buy a second run.
            raise RunNotVisibleError(self.task.key, self.run_id, self.task.task_id) from None
        except (LinktApiError, NoRequestError) as error:
            self._on_failure(error)
            return
        # Only three witnesses together (run, task and list) say that a paid run is gone.
        if listed is None:
            await self._close_gone()
        self.missing_since = None
        self.worker.warn(
            self.task.key,
            f"run {self.run_id} answers 404, but Linkt's list shows {listed.id} {listed.raw_status}; still waiting",
        )
        with suppress(RunTakenError):  # by another start that looked as well: it was not this one's
            await self._take_id(listed)

    async def _look_in_list(self) -> Run | None:
        """The run as the list shows it. A run that was never seen may have another id than the one in the reply."""
        return await find_started_run(self.worker, self.execution, self._sent_by(), by_request=not self.was_seen)

    def _sent_by(self) -> datetime:
        """The latest moment at which the request can have left."""
        row = self.execution
        return max(filter(None, [row.intended_at, row.started_at, row.lease_until]))

    async def _leave_to_others(self, run: Run) -> None:
        """Find our run in the list: the reply to the start named a run of another task, so the start is unclear.

        Raises:
            StartNotFoundError: it has none.
        """
        cause = f"the reply to the start named run {run.id}, which is of the Linkt task {run.task_id}"
        sent_by = self._sent_by()
        unclear = await self.worker.call_when_free(
            self.task.key,
            self.worker.ledger.mark_unknown,
            self.execution.execution_id,
            self.worker.owner,
            error=cause,
            confirmed=True,
            forget_run=True,
        )
        self.worker.warn(self.task.key, f"{cause}; looking for the run")
        self.execution = await settle_confirmed(self.worker, self.task, unclear, sent_by, cause)
        self.run_id, self.was_seen = str(self.execution.run_id), False

    async def _take_id(self, run: Run) -> None:
        """Use the id as Linkt spells it from now on, so that the ledger and the landed run agree."""
        if run.id == self.run_id:
            return
        self.execution = await self.worker.call_when_free(
            self.task.key,
            self.worker.ledger.mark_started,
            self.execution.execution_id,
            self.worker.owner,
            run_id=run.id,
            run_status=run.raw_status,
        )
        self.run_id = run.id

    async def _close_gone(self) -> NoReturn:
        gone = RunGoneError(self.task.key, self.run_id)
        await self.worker.call(
            self.worker.ledger.mark_closed,
            self.execution.execution_id,
            self.worker.owner,
            ExecutionState.LOST,
            error=str(gone),
        )
        raise gone

    async def _on_seen(self, run: Run) -> None:
        if run.raw_status != self.status:
            self.status = run.raw_status
            await self._note_status()
        if run.status.is_terminal or datetime.now(UTC) >= self.queue_due_at:
            self.queue_due_at = datetime.now(UTC) + self.schedule.queue_interval
            await self._look_at_queue()
        if run.status.is_terminal:
            await self._keep_queue()
        if self.shown != (self.status, self.queue) and not run.status.is_terminal:
            self.shown = (self.status, self.queue)
            self.worker.report(RunProgress(self.task.key, self.run_id, self.status, self.age, dict(self.queue)))

    async def _note_status(self) -> None:
        """Show the status in the ledger. A failure here loses nothing: landing the run writes how it ended."""
        try:
            await self.worker.call(
                self.worker.ledger.note, self.execution.execution_id, self.worker.owner, run_status=self.status
            )
        except LeaseLostError:
            raise
        except LinktPipelineError as error:
            self.worker.warn(self.task.key, f"status {self.status} could not be written down: {error}")

    async def _look_at_queue(self) -> None:
        """Progress only: the queue expires, may be absent, and is never a reason to fail."""
        try:
            queue: RunQueue = await self.worker.client.get_run_queue(self.run_id, limit=1, attempts=1)
        except (LinktApiError, NoRequestError):
            return
        if queue.state_counts:
            self.queue = dict(queue.state_counts)

    async def _keep_queue(self) -> None:
        """Write the queue's counts once, at the end: five hundred waits would write all the time. The log has them."""
        if self.queue:
            with suppress(LinktPipelineError):
                await self.worker.call(land_queue, self.worker.warehouse, self.run_id, self.queue)
