"""What a waiting process does when it must stop: it cancels runs that a person wants to end, and leaves the others."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from linkt_pipeline.api import LinktApiError, LinktClient, RunStatus
from linkt_pipeline.collection.seen_run import see_run
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.land import land_finished_run
from linkt_pipeline.executions.reconcile import find_started_run
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.values import Execution
from linkt_pipeline.tasks import OnTerminate, TaskSpec

# Dagster marks a run CANCELED after 30 s whether or not its process is done.
PATIENCE = timedelta(seconds=20)
_LOOK_EVERY = timedelta(milliseconds=500)


def wants_cancel(task: TaskSpec, *, by_person: bool) -> bool:
    """Whether an interrupt cancels this task's run: ``on_terminate`` decides; ``auto`` cancels if a person asked."""
    match task.on_terminate:
        case OnTerminate.CANCEL:
            return True
        case OnTerminate.LEAVE:
            return False
        case OnTerminate.AUTO:
            return by_person


async def settle_interrupted(
    worker: Worker, client: LinktClient, tasks: Sequence[TaskSpec], *, by_person: bool, patience: timedelta = PATIENCE
) -> Collection[str]:
    """Leave every open execution of this worker in a state from which the next materialization can go on.

    If a cancel fails, the failure is reported and never raised: it must not mask the interrupt itself.

    Args:
        worker: the interrupted worker; it still holds its leases.
        client: a fresh client (the old one died with its event loop).
        tasks: the tasks that were being executed.
        by_person: a person asked (Terminate in the UI, Ctrl-C), rather than the machine (SIGTERM).
        patience: bound on the whole of it.

    Returns:
        The ids of the runs that were cancelled.
    """
    settle = min(worker.timing.settle, patience / 4)
    worker = replace(worker, client=client, timing=replace(worker.timing, settle=settle))
    cancelled: list[str] = []
    try:
        by_key = {task.key: task for task in tasks}
        mine = [row for row in worker.ledger.open_executions(by_key) if row.lease_owner == worker.owner.name]
        await asyncio.wait_for(
            asyncio.gather(*(_settle(worker, by_key[row.task_key], row, by_person, cancelled) for row in mine)),
            patience.total_seconds(),
        )
    except (TimeoutError, LinktPipelineError) as error:
        worker.warn("interrupt", f"not everything could be settled: {str(error) or 'out of time'}")
    await worker.release_leases()
    return cancelled


async def _settle(worker: Worker, task: TaskSpec, execution: Execution, by_person: bool, cancelled: list[str]) -> None:
    if not wants_cancel(task, by_person=by_person):
        worker.warn(task.key, f"interrupted; run {execution.run_id or '(starting)'} goes on and is adopted next time")
        return
    try:
        run_id = execution.run_id or await _find(worker, execution)
        if run_id is None:
            worker.warn(task.key, "interrupted before a run existed; nothing to cancel")
            return
        await worker.client.cancel_run(run_id)
    except LinktPipelineError as error:
        worker.warn(task.key, f"the run could not be cancelled and may go on: {error}")
        return
    cancelled.append(run_id)
    worker.warn(task.key, f"terminated; run {run_id} is cancelled in Linkt")
    try:
        await _land_once_terminal(worker, execution, run_id)
    except LinktPipelineError as error:
        worker.warn(task.key, f"run {run_id} is cancelled but not landed yet; that happens next time: {error}")


async def _find(worker: Worker, execution: Execution) -> str | None:
    """Look for the run of a start that was interrupted between its request and the reply."""
    run = await find_started_run(worker, execution, datetime.now(UTC))
    if run is None:
        await worker.call(
            worker.ledger.mark_unknown, execution.execution_id, worker.owner, error="interrupted before the reply"
        )
        return None
    await worker.call(
        worker.ledger.mark_started, execution.execution_id, worker.owner, run_id=run.id, run_status=run.raw_status
    )
    return run.id


async def _land_once_terminal(worker: Worker, execution: Execution, run_id: str) -> None:
    """Land the cancelled run as the run itself shows it: a cancel takes effect a moment later, or comes too late."""
    while True:
        with suppress(LinktApiError):
            seen = await see_run(worker.client, run_id, attempts=1)
            if seen.run.status.is_terminal:
                current = await worker.call(worker.ledger.get, execution.execution_id)
                await land_finished_run(worker, current, seen)
                # A run that ended before the cancel reached it has an outcome, which is still owed.
                if seen.run.status is RunStatus.CANCELED:
                    await worker.deliver([execution.execution_id])
                return
        await asyncio.sleep(_LOOK_EVERY.total_seconds())
