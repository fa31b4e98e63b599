"""Settle an unclear start: find its run and write it down, or learn that it made none."""

import asyncio
from datetime import UTC, datetime, timedelta

from linkt_pipeline.api import Run
from linkt_pipeline.executions.errors import StartNotFoundError
from linkt_pipeline.executions.events import RunAdopted
from linkt_pipeline.executions.reconcile import find_started_run
from linkt_pipeline.executions.worker import LONGEST_PAUSE, Worker
from linkt_pipeline.ledger.values import Execution, ExecutionState, LeaseLostError, RunTakenError
from linkt_pipeline.tasks import TaskSpec

NOT_LISTED = "no run of this request is in Linkt's list"


async def settle(
    worker: Worker, task: TaskSpec, execution: Execution, sent_by: datetime, cause: str
) -> Execution | None:
    """Find the run that an unclear start left behind; ``None`` when there is none and a new one may be bought.

    Raises:
        StartNotFoundError: there is none although Linkt confirmed the start.
    """
    if execution.start_confirmed:
        return await settle_confirmed(worker, task, execution, sent_by, cause)
    if found := await adopt_if_found(worker, task, execution, sent_by, patience=task.max_wait):
        return found
    await close_lost(worker, execution, cause)
    worker.note(task.key, "Linkt has no run for the earlier start, so it never began; starting again")
    return None


async def settle_confirmed(
    worker: Worker, task: TaskSpec, execution: Execution, sent_by: datetime, cause: str
) -> Execution:
    """Find the run of a start that Linkt confirmed without naming it.

    Raises:
        StartNotFoundError: there is none; nothing is sent again.
    """
    if found := await adopt_if_found(worker, task, execution, sent_by, patience=task.max_wait):
        return found
    raise await not_found(worker, task, execution, cause)


async def not_found(worker: Worker, task: TaskSpec, execution: Execution, cause: str) -> StartNotFoundError:
    """The error for a confirmed start whose run Linkt does not list. The ledger notes that a person must decide."""
    await worker.call(
        worker.ledger.mark_unknown,
        execution.execution_id,
        worker.owner,
        error=cause,
        confirmed=True,
        needs_person=True,
    )
    return StartNotFoundError(task.key, cause)


async def adopt_if_found(
    worker: Worker,
    task: TaskSpec,
    execution: Execution,
    sent_by: datetime,
    *,
    patience: timedelta,
    window: timedelta | None = None,
) -> Execution | None:
    """The row with the run that was found; ``None`` when the window has passed and there is none.

    Args:
        worker: who looks.
        task: what was asked for.
        execution: the row of the unclear start.
        sent_by: the latest moment at which its request can have left.
        patience: how long to wait while the list can't be read.
        window: how long to look; default: the settle window.

    Raises:
        RunTakenError: the list names a run of another execution again and again.
    """
    refused: set[str] = set()
    while run := await find_started_run(worker, execution, sent_by, window=window, patience=patience):
        try:
            return await _adopt_found(worker, task, execution, run)
        except RunTakenError:  # by another start that looked at the same moment; the next look leaves it out
            # Once is a race that the next look resolves; the same run twice means that it stays taken.
            if run.id in refused:
                raise
            refused.add(run.id)
    return None


async def _adopt_found(worker: Worker, task: TaskSpec, execution: Execution, run: Run) -> Execution:
    started = await remember(worker, task, execution, run.id, run.raw_status)
    worker.report(RunAdopted(task.key, run.id, "found after its reply was lost"))
    return started


async def remember(worker: Worker, task: TaskSpec, execution: Execution, run_id: str, status: str | None) -> Execution:
    """Commit the run id. The run costs money, so this waits for a busy warehouse or a full disk, up to ``max_wait``."""
    pause = worker.timing.resend
    # A busy warehouse or a full disk must not end this early: a forgotten id is a paid run that nobody lands.
    give_up_at = datetime.now(UTC) + task.max_wait
    while True:
        try:
            return await worker.call(
                worker.ledger.mark_started, execution.execution_id, worker.owner, run_id=run_id, run_status=status
            )
        except RunTakenError:
            raise
        except LeaseLostError:
            worker.warn(task.key, f"run {run_id} was started, but another process has taken this task over meanwhile")
            raise
        except Exception as error:  # whatever it is: this is the only place that knows the id
            worker.warn(task.key, f"run {run_id} exists but can't be written down yet: {error}")
            if datetime.now(UTC) > give_up_at:
                raise
            await asyncio.sleep(pause.total_seconds())
            pause = min(pause * 2, LONGEST_PAUSE)


async def close_lost(worker: Worker, execution: Execution, cause: str) -> None:
    """Write down that an unclear start left no run."""
    await close(worker, execution, ExecutionState.LOST, f"{NOT_LISTED}: {cause}")


async def close(worker: Worker, execution: Execution, state: ExecutionState, error: str) -> None:
    """Write down that no run exists for a row, and why."""
    await worker.call(worker.ledger.mark_closed, execution.execution_id, worker.owner, state, error=error)
