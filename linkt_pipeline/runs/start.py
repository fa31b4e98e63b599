"""Start a run, or adopt the one that exists: the only code that spends credits.

The order is the protection: the intention is committed before the request, the run id right after it, and a
request whose outcome is unclear is looked up, never repeated. docs/guarantees.md walks through every crash
window.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from linkt_pipeline.api import (
    InvalidIdError,
    LinktApiError,
    RateLimitedError,
    RefusedError,
    RequestNotSentError,
    Run,
    ServiceUnavailableError,
    UnexpectedRedirectError,
)
from linkt_pipeline.config import TaskSpec
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.runs.difference import differences
from linkt_pipeline.runs.errors import NotStartedError, StartRefusedError, UnreachableError
from linkt_pipeline.runs.events import RunAdopted, RunStarted
from linkt_pipeline.runs.reconcile import find_started_run
from linkt_pipeline.runs.worker import Worker
from linkt_pipeline.warehouse.ledger import (
    Claim,
    Execution,
    ExecutionState,
    Intention,
    LeaseLostError,
    RunTakenError,
)
from linkt_pipeline.warehouse.owner import describe_owner

_LONGEST_PAUSE = timedelta(minutes=1)
_LOST_STARTS = 3  # so many requests in a row that left no run are an outage


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
        another process waited for it, in the meantime or before it was interrupted.

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
        not_before=worker.not_before,
        asked_by=worker.asked_by,
        entries=worker.entries,
    )
    lost = 0
    while lost < _LOST_STARTS:
        claim = await worker.call(worker.ledger.claim, intention, worker.owner)
        execution = await _act_on(worker, task, claim)
        if execution is not None and execution.state in (ExecutionState.STARTED, ExecutionState.FINISHED):
            if different := differences(execution, task):
                worker.warn(
                    task.key,
                    f"run {execution.run_id} was started with other settings than the task has now "
                    f"({'; '.join(different)}); it is used all the same, so that nothing is paid twice. "
                    "The next start after it takes the new ones",
                )
            return execution
        # That row led to no run. Others who watched it may be faster in starting the next one, even in finishing it.
        # Its attempt is still to be made: the next row does not begin to count anew.
        attempt = max(attempt, claim.execution.attempt)
        intention = replace(intention, attempt=attempt, after=claim.execution.intended_at)
        lost += claim.created
    raise NotStartedError(
        f"task {task.key}: {lost} requests to start it were answered with errors and left no run, so nothing was "
        "spent; the ledger (linkt.executions) has the errors. Run it again later"
    )


async def _act_on(worker: Worker, task: TaskSpec, claim: Claim) -> Execution | None:
    execution = claim.execution
    if not claim.owned:
        return await _follow(worker, task, execution)
    if claim.created:
        return await _send(worker, task, execution)
    if execution.state in (ExecutionState.STARTED, ExecutionState.FINISHED):
        worker.report(RunAdopted(task.key, str(execution.run_id), _why_adopted(execution)))
        return execution
    worker.warn(task.key, "an earlier start was interrupted before its reply; looking for its run")
    last_sent = min(execution.lease_until or execution.intended_at, datetime.now(UTC))
    return await _settle(worker, task, execution, last_sent, execution.last_error or "interrupted before its reply")


def _why_adopted(execution: Execution) -> str:
    if execution.state is ExecutionState.STARTED:
        return "its earlier wait was interrupted"
    return "it has ended, and whoever asked for it did not get to the end of landing and publishing its rows"


async def _follow(worker: Worker, task: TaskSpec, execution: Execution) -> Execution | None:
    """Another live process acts for this task: watch its row until it is done or its lease is free."""
    row = execution
    if row.state.is_open:
        leader = describe_owner(row.lease_owner)
        worker.note(task.key, f"another process ({leader}) is working on this task; following it")
    while row.state.is_open:
        await asyncio.sleep(worker.timing.follow.total_seconds())
        row = await worker.call_when_free(task.key, worker.ledger.get, execution.execution_id)
        if row.state.is_open and worker.ledger.is_free(row):
            return None
    if row.state is ExecutionState.FINISHED:
        worker.report(RunAdopted(task.key, str(row.run_id), "another process waited for it"))
    return row


async def _send(worker: Worker, task: TaskSpec, execution: Execution) -> Execution | None:
    """One POST; again only when the last one surely did no work."""
    pause = worker.timing.resend
    give_up_at = datetime.now(UTC) + task.max_wait
    reachable_by = datetime.now(UTC) + min(worker.timing.unreachable, task.max_wait)
    doubtful = False
    while True:
        if doubtful and (run := await _look_once(worker, execution, give_up_at)):
            with suppress(RunTakenError):  # by another start that looked as well: it was not this one's
                return await _adopt_found(worker, task, execution, run)
        try:
            answer = await worker.client.execute_task(
                task.task_id,
                icp_id=task.icp_id,
                parameters=task.parameters,
                before_send=lambda: worker.require_lease(execution),
            )
        except (RequestNotSentError, RateLimitedError, ServiceUnavailableError) as error:
            wait = max(getattr(error, "retry_after", None) or timedelta(0), pause)
            unreachable = isinstance(error, RequestNotSentError)
            if datetime.now(UTC) + wait > (reachable_by if unreachable else give_up_at):
                await _give_up(worker, task, execution, error, doubtful)
            if not unreachable:
                reachable_by = give_up_at
            worker.warn(task.key, f"not started yet, trying again in {wait.total_seconds():g} s: {error}")
            await asyncio.sleep(wait.total_seconds())
            pause = min(pause * 2, _LONGEST_PAUSE)
            # A 503 says "not now", but some gateways say it of a server that died over the request.
            doubtful = doubtful or isinstance(error, ServiceUnavailableError)
        except (RefusedError, UnexpectedRedirectError, InvalidIdError) as error:
            await _close_unstarted(worker, execution, error, doubtful)
            raise StartRefusedError(f"task {task.key}: Linkt refused to start it: {error}") from None
        except LinktApiError as error:
            return await _look_for(worker, task, execution, f"the reply to the start was lost ({error})")
        except LeaseLostError:
            raise
        except LinktPipelineError as error:  # stopped before the request left: the day's request budget is used up
            cost = await _close_unstarted(worker, execution, error, doubtful)
            raise NotStartedError(f"task {task.key}: {cost}: {error}") from None
        else:
            try:
                started = await _remember(worker, task, execution, answer.run_id, answer.status)
            except RunTakenError as error:
                return await _look_for(worker, task, execution, f"the reply to the start names another's run ({error})")
            worker.report(RunStarted(task.key, answer.run_id, execution.attempt))
            return started


async def _give_up(
    worker: Worker, task: TaskSpec, execution: Execution, error: LinktApiError, doubtful: bool
) -> NoReturn:
    """The patience for a request that did no work is used up."""
    cost = await _close_unstarted(worker, execution, error, doubtful or isinstance(error, ServiceUnavailableError))
    message = f"task {task.key}: {cost}: {error}"
    raise UnreachableError(message) if isinstance(error, RequestNotSentError) else NotStartedError(message)


async def _look_for(worker: Worker, task: TaskSpec, execution: Execution, cause: str) -> Execution | None:
    """The reply says nothing that can be used about the run it may have started."""
    await worker.call(worker.ledger.mark_unknown, execution.execution_id, worker.owner, error=cause)
    worker.warn(task.key, f"{cause}; looking for the run")
    return await _settle(worker, task, execution, datetime.now(UTC), cause)


async def _settle(
    worker: Worker, task: TaskSpec, execution: Execution, last_sent: datetime, cause: str
) -> Execution | None:
    """Find the run that an unclear start left behind; ``None`` when there is none and a new one may be bought."""
    while run := await find_started_run(worker, execution, last_sent):
        with suppress(RunTakenError):  # by another start that looked at the same moment; the next look leaves it out
            return await _adopt_found(worker, task, execution, run)
    await _close(worker, execution, ExecutionState.LOST, f"no run of this request is in Linkt's list: {cause}")
    worker.note(task.key, "Linkt has no run for the earlier start, so it never began; starting again")
    return None


async def _look_once(worker: Worker, execution: Execution, give_up_at: datetime) -> Run | None:
    """One look at the list of runs, however long it takes to get an answer."""
    while True:
        try:
            return await find_started_run(worker, execution, datetime.now(UTC), window=timedelta(0))
        except LinktApiError as error:
            wait = max(getattr(error, "retry_after", None) or timedelta(0), worker.timing.resend)
            if not error.retriable or datetime.now(UTC) + wait > give_up_at:
                raise
            await asyncio.sleep(wait.total_seconds())


async def _adopt_found(worker: Worker, task: TaskSpec, execution: Execution, run: Run) -> Execution:
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
            pause = min(pause * 2, _LONGEST_PAUSE)


async def _close_unstarted(worker: Worker, execution: Execution, error: LinktPipelineError, doubtful: bool) -> str:
    """No run came of it. After a 503 that is all but sure, so the row stays open and the next start looks first.

    Returns:
        The same, for a person.
    """
    if doubtful:
        await worker.call(worker.ledger.mark_unknown, execution.execution_id, worker.owner, error=str(error))
        return "no run was seen to start, and the next start looks for one before it sends anything"
    await _close(worker, execution, ExecutionState.REFUSED, str(error))
    return "no run was started and nothing was spent"


async def _close(worker: Worker, execution: Execution, state: ExecutionState, error: str) -> None:
    await worker.call(worker.ledger.mark_closed, execution.execution_id, worker.owner, state, error=error)
