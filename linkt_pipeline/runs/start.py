"""Start a run, or adopt the one that exists: the only code that spends credits.

The order is the protection: the intention is committed before the request, the run id right after it, and a
request whose outcome is unclear is looked up, never repeated. docs/guarantees.md walks through every crash
window.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from linkt_pipeline.api import (
    InvalidIdError,
    LinktApiError,
    RateLimitedError,
    RefusedError,
    RequestNotSentError,
    ServiceUnavailableError,
    UnexpectedRedirectError,
)
from linkt_pipeline.config import TaskSpec
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.runs.errors import NotStartedError, StartRefusedError
from linkt_pipeline.runs.events import RunAdopted, RunStarted
from linkt_pipeline.runs.reconcile import find_started_run
from linkt_pipeline.runs.worker import Worker
from linkt_pipeline.warehouse.ledger import Claim, Execution, ExecutionState, Intention, LeaseLostError

_LONGEST_PAUSE = timedelta(minutes=1)


async def start_or_adopt(
    worker: Worker, task: TaskSpec, *, attempt: int = 1, after: datetime | None = None
) -> Execution:
    """Bring a task to exactly one run.

    Args:
        worker: who asks.
        task: what to run.
        attempt: 1, or more when earlier runs failed.
        after: when the failed attempt that this one follows was intended.

    Returns:
        The ledger row that stands for the run: ``started`` and owned by this worker, or ``finished`` when
        another process waited for it in the meantime.

    Raises:
        NotStartedError: nothing was started (refused, unreachable, limit reached).
        AmbiguousRunsError: a person has to say which run an earlier lost reply was about.
    """
    intention = Intention(
        task_key=task.key,
        task_id=task.task_id,
        icp_id=task.icp_id,
        parameters=task.parameters,
        attempt=attempt,
        dagster_run_id=worker.dagster_run_id,
        monthly_credit_limit=task.monthly_credit_limit,
        after=after,
    )
    while True:
        claim = await worker.call(worker.ledger.claim, intention, worker.owner)
        execution = await _act_on(worker, task, claim)
        if execution is not None and execution.state in (ExecutionState.STARTED, ExecutionState.FINISHED):
            return execution
        # That row led to no run. Others who watched it may be faster in starting the next one, even in finishing it.
        intention = replace(intention, after=claim.execution.intended_at)


async def _act_on(worker: Worker, task: TaskSpec, claim: Claim) -> Execution | None:
    execution = claim.execution
    if not claim.owned:
        return await _follow(worker, execution)
    if claim.created:
        return await _send(worker, task, execution)
    if execution.state is ExecutionState.STARTED:
        worker.report(RunAdopted(task.key, str(execution.run_id), "its earlier wait was interrupted"))
        return execution
    worker.warn(task.key, "an earlier start was interrupted before its reply; looking for its run")
    last_sent = min(execution.lease_until or execution.intended_at, datetime.now(UTC))
    return await _settle(worker, task, execution, last_sent)


async def _follow(worker: Worker, execution: Execution) -> Execution | None:
    """Another live process acts for this task: watch its row until it is done or its lease is free."""
    row = execution
    if row.state.is_open:
        worker.note(row.task_key, f"another process ({row.lease_owner}) is working on this task; following it")
    while row.state.is_open:
        await asyncio.sleep(worker.timing.follow.total_seconds())
        row = await worker.call(worker.ledger.get, execution.execution_id)
        if row.state.is_open and worker.ledger.is_free(row):
            return None
    if row.state is ExecutionState.FINISHED:
        worker.report(RunAdopted(row.task_key, str(row.run_id), "another process waited for it"))
    return row


async def _send(worker: Worker, task: TaskSpec, execution: Execution) -> Execution | None:
    """One POST; again only when the last one surely did no work."""
    pause = worker.timing.resend
    give_up_at = datetime.now(UTC) + task.max_wait
    while True:
        try:
            answer = await worker.client.execute_task(
                task.task_id,
                icp_id=task.icp_id,
                parameters=task.parameters,
                before_send=lambda: worker.require_lease(execution),
            )
        except (RequestNotSentError, RateLimitedError, ServiceUnavailableError) as error:
            wait = max(getattr(error, "retry_after", None) or timedelta(0), pause)
            if datetime.now(UTC) + wait > give_up_at:
                await _close(worker, execution, ExecutionState.REFUSED, str(error))
                raise NotStartedError(f"task {task.key}: no run was started and nothing was spent: {error}") from None
            worker.warn(task.key, f"not started yet, trying again in {wait.total_seconds():g} s: {error}")
            await asyncio.sleep(wait.total_seconds())
            pause = min(pause * 2, _LONGEST_PAUSE)
        except (RefusedError, UnexpectedRedirectError, InvalidIdError) as error:
            await _close(worker, execution, ExecutionState.REFUSED, str(error))
            raise StartRefusedError(f"task {task.key}: Linkt refused to start it: {error}") from None
        except LinktApiError as error:
            await worker.call(worker.ledger.mark_unknown, execution.execution_id, worker.owner, error=str(error))
            worker.warn(task.key, f"the reply to the start was lost ({error}); looking for the run")
            return await _settle(worker, task, execution, datetime.now(UTC))
        except LeaseLostError:
            raise
        except LinktPipelineError as error:  # stopped before the request left: the day's request budget is used up
            await _close(worker, execution, ExecutionState.REFUSED, str(error))
            raise NotStartedError(f"task {task.key}: no run was started and nothing was spent: {error}") from None
        else:
            started = await _remember(worker, task, execution, answer.run_id, answer.status)
            worker.report(RunStarted(task.key, answer.run_id, execution.attempt))
            return started


async def _settle(worker: Worker, task: TaskSpec, execution: Execution, last_sent: datetime) -> Execution | None:
    """Find the run that an unclear start left behind; ``None`` when there is none and a new one may be bought."""
    run = await find_started_run(worker, execution, last_sent)
    if run is None:
        await _close(worker, execution, ExecutionState.LOST, "no run of this request appeared in Linkt's list of runs")
        worker.note(task.key, "Linkt has no run for the earlier start, so it never began; starting again")
        return None
    started = await _remember(worker, task, execution, run.id, run.raw_status)
    worker.report(RunAdopted(task.key, run.id, "found after its reply was lost"))
    return started


async def _remember(worker: Worker, task: TaskSpec, execution: Execution, run_id: str, status: str | None) -> Execution:
    """Commit the run id. It is worth money, so a busy or full disk is outwaited, not given in to."""
    pause = worker.timing.resend
    give_up_at = datetime.now(UTC) + task.max_wait
    while True:
        try:
            return await worker.call(
                worker.ledger.mark_started, execution.execution_id, worker.owner, run_id=run_id, run_status=status
            )
        except LeaseLostError:
            worker.warn(task.key, f"run {run_id} was started, but another process has taken this task over meanwhile")
            raise
        except LinktPipelineError as error:
            worker.warn(task.key, f"run {run_id} exists but can't be written down yet: {error}")
            if datetime.now(UTC) > give_up_at:
                raise
            await asyncio.sleep(pause.total_seconds())
            pause = min(pause * 2, _LONGEST_PAUSE)


async def _close(worker: Worker, execution: Execution, state: ExecutionState, error: str) -> None:
    await worker.call(worker.ledger.mark_closed, execution.execution_id, worker.owner, state, error=error)
