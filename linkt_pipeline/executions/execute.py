"""Execute tasks: start or adopt, wait, land, and retry the failures a task lists. Many at once, in one process."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from linkt_pipeline.api import Run, RunStatus
from linkt_pipeline.collection.error_kind import classify_error
from linkt_pipeline.collection.land_runs import landed_run, run_duration
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.errors import RetryNotStartedError, RunFailedError
from linkt_pipeline.executions.events import RunEnded
from linkt_pipeline.executions.land import land_finished_run
from linkt_pipeline.executions.start import start_or_adopt
from linkt_pipeline.executions.wait import Waited, wait_for_run
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.values import Execution, ExecutionState
from linkt_pipeline.tasks import TaskSpec


@dataclass(frozen=True)
class Outcome:
    """How executing one task ended.

    Attributes:
        task: the entry of tasks.yaml.
        execution: the last ledger row, when it came to one.
        run: the terminal run, when it came to one.
        queue: candidates by state, as last seen in the run's queue.
        error: why the task has no completed run; ``None`` for success.
    """

    task: TaskSpec
    execution: Execution | None = None
    run: Run | None = None
    queue: Mapping[str, int] = field(default_factory=dict)
    error: LinktPipelineError | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the task has a completed run."""
        return self.error is None


async def execute_tasks(worker: Worker, tasks: Sequence[TaskSpec], *, delivers: bool = True) -> list[Outcome]:
    """Bring every task to a terminal run, waiting for all of them side by side.

    Args:
        worker: who executes.
        tasks: what to execute.
        delivers: the caller wants the outcomes and nothing more. If False, the caller does the rest of its work and
            then calls :meth:`~linkt_pipeline.ledger.ledger.Ledger.deliver`. If it fails before that call, the next
            start of the task gets the outcome and buys nothing.

    Returns:
        One outcome per task, in the order given. The failure of one never ends the wait for another.
    """
    async with worker.holding_leases(delivers=delivers):
        ended = await asyncio.gather(*(execute_task(worker, task) for task in tasks), return_exceptions=True)
        outcomes = []
        for outcome in ended:
            if isinstance(outcome, BaseException):
                # A bug. All other waits have ended by now. Raised while the leases are held, so no outcome counts as
                # delivered.
                raise outcome
            outcomes.append(outcome)
    return outcomes


async def execute_task(worker: Worker, task: TaskSpec) -> Outcome:
    """Bring one task to a terminal run; a failure the user can understand becomes part of the outcome."""
    execution: Execution | None = None
    waited: Waited | None = None
    try:
        execution = await start_or_adopt(worker, task)
        while True:
            waited = await _terminal_run(worker, task, execution)
            error = failure_of(task, waited.run)
            if error is None or not _worth_another_attempt(task, execution, error):
                return Outcome(task, execution, waited.run, waited.queue, error)
            pause = backoff(task, execution.attempt)
            worker.warn(
                task.key, f"attempt {execution.attempt} failed ({error.kind}); next in {pause.total_seconds():g} s"
            )
            await asyncio.sleep(pause.total_seconds())
            execution = await _start_again(worker, task, execution, error)
            waited = None
    except LinktPipelineError as error:
        run, queue = (waited.run, waited.queue) if waited else (None, {})
        return Outcome(task, execution, run, queue, error)


async def _start_again(worker: Worker, task: TaskSpec, failed: Execution, failure: RunFailedError) -> Execution:
    attempt = failed.attempt + 1
    try:
        ended = replace(failed, state=ExecutionState.FINISHED)
        return await start_or_adopt(worker, task, attempt=attempt, after=ended)
    except LinktPipelineError as error:
        raise RetryNotStartedError(failure, attempt, error) from None


async def _terminal_run(worker: Worker, task: TaskSpec, execution: Execution) -> Waited:
    if execution.state is ExecutionState.FINISHED:
        # The run was landed together with its ledger row, so its outcome is here: no request is needed that could fail.
        return Waited(await worker.call(landed_run, worker.warehouse, str(execution.run_id)), {})
    waited = await wait_for_run(worker, task, execution)
    run = waited.run
    await land_finished_run(worker, execution, waited.seen)
    worker.report(
        RunEnded(
            task.key,
            run.id,
            run.raw_status,
            run_duration(run),
            run.credits,
            len(run.entities_created),
            len(run.entities_updated),
            len(run.signals_created),
            succeeded=run.status is RunStatus.COMPLETED,
        )
    )
    return waited


def failure_of(task: TaskSpec, run: Run) -> RunFailedError | None:
    """The error a terminal run stands for; ``None`` for a completed one."""
    if run.status is RunStatus.COMPLETED:
        return None
    return RunFailedError(task.key, run.id, run.status.value, run.error, classify_error(run.error), run.credits)


def _worth_another_attempt(task: TaskSpec, execution: Execution, error: RunFailedError) -> bool:
    """Whether the task lists this kind of failure; a run that somebody cancelled is never retried."""
    return (
        error.status != RunStatus.CANCELED
        and error.kind in task.retry.on
        and execution.attempt < task.retry.max_attempts
    )


def backoff(task: TaskSpec, attempt: int) -> timedelta:
    """Pause after a failed attempt: ``backoff``, doubled each time."""
    doubled: timedelta = task.retry.backoff * 2 ** (attempt - 1)
    return doubled
