"""Send a start request: the only code that spends credits."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from linkt_pipeline.api import (
    LinktApiError,
    RateLimitedError,
    RequestNotSentError,
    ServiceUnavailableError,
    StartReply,
    is_success,
    is_worth_repeating,
    read_start_reply,
)
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.errors import NotStartedError, StartRefusedError, UnreachableError
from linkt_pipeline.executions.events import RunStarted
from linkt_pipeline.executions.settle import NOT_LISTED, adopt_if_found, close, close_lost, not_found, remember, settle
from linkt_pipeline.executions.worker import LONGEST_PAUSE, Worker
from linkt_pipeline.ledger.values import Execution, ExecutionState, LeaseLostError, RunTakenError
from linkt_pipeline.tasks import TaskSpec

_NONE_SEEN = "no run was seen to start, and the next start looks for one before it sends anything"


async def send_start(worker: Worker, task: TaskSpec, execution: Execution) -> Execution | None:
    """Send one POST. Send another one only when it is certain that the last one left no run.

    Returns:
        The started row; ``None`` when this row led to no run and another may be bought.
    """
    clock = asyncio.get_running_loop().time
    begun = clock()
    pause = worker.timing.resend
    give_up_at = begun + task.max_wait.total_seconds()
    reachable_by = begun + min(worker.timing.unreachable, task.max_wait).total_seconds()
    looked_up = False
    while True:
        try:
            answer = await worker.client.execute_task(
                task.task_id,
                icp_id=task.icp_id,
                parameters=task.parameters,
                before_send=lambda: worker.require_lease(execution),
            )
        except LeaseLostError:
            raise
        except LinktApiError as error:
            match read_start_reply(error):
                case StartReply.REFUSED:
                    await _close_unstarted(worker, execution, error, looked_up)
                    raise StartRefusedError(f"task {task.key}: Linkt refused to start it: {error}") from None
                case StartReply.NOT_SENT:
                    wait = max(_ordered_wait(error), pause)
                    unreachable = isinstance(error, RequestNotSentError)
                    if clock() + wait.total_seconds() > (reachable_by if unreachable else give_up_at):
                        await _give_up(worker, task, execution, error, looked_up)
                    worker.warn(task.key, f"not started yet, trying again in {wait.total_seconds():g} s: {error}")
                    await asyncio.sleep(wait.total_seconds())
                    pause = min(pause * 2, LONGEST_PAUSE)
                case StartReply.UNCLEAR:
                    # A request has left, so the address is no typo: from now on an outage is worth the whole wait.
                    reachable_by, looked_up = give_up_at, True
                    sent_by = _sent_by(execution, clock() - begun)
                    patience = timedelta(seconds=give_up_at - clock())
                    found = await _look_up(worker, task, execution, error, sent_by, patience)
                    if found is not None:
                        return found
                    # A success without a usable id: a run probably exists, so even an empty list allows no other POST.
                    if is_success(error):
                        raise await not_found(worker, task, execution, str(error)) from None
                    if not _asks_to_come_back(error):
                        await _close_unfound(worker, task, execution, error)
                        return None
                    worker.warn(task.key, "Linkt has no run for that request, so it never began; sending it again")
        except LinktPipelineError as error:  # stopped before the request left: the day's request budget is used up
            cost = await _close_unstarted(worker, execution, error, looked_up)
            raise NotStartedError(f"task {task.key}: {cost}: {error}") from None
        else:
            try:
                started = await remember(worker, task, execution, answer.run_id, answer.status)
            except RunTakenError as error:
                cause = f"the reply to the start names another's run ({error})"
                unclear = await worker.call(
                    worker.ledger.mark_unknown, execution.execution_id, worker.owner, error=cause, confirmed=True
                )
                worker.warn(task.key, f"{cause}; looking for the run")
                return await settle(worker, task, unclear, _sent_by(execution, clock() - begun), cause)
            worker.report(RunStarted(task.key, answer.run_id, execution.attempt))
            return started


async def note_clock(worker: Worker, execution: Execution) -> Execution:
    """Write down how far Linkt's clock is from ours, because ours may be set before a search for the run."""
    offset = await worker.client.learn_clock(execution.task_id)
    if offset is None:
        return execution
    return await worker.call(worker.ledger.note_clock, execution.execution_id, worker.owner, offset)


def _sent_by(execution: Execution, seconds: float) -> datetime:
    """The latest moment at which a request can have left: the time of its intention, and so many seconds after it.

    The wall clock alone does not show that moment, because somebody may have set it since the intention.
    """
    return max(execution.intended_at + timedelta(seconds=seconds), datetime.now(UTC))


async def _look_up(
    worker: Worker, task: TaskSpec, execution: Execution, error: LinktApiError, sent_by: datetime, patience: timedelta
) -> Execution | None:
    """The run that an unclear reply may stand for, looked for at least as long as the reply asks to wait."""
    await worker.call(
        worker.ledger.mark_unknown,
        execution.execution_id,
        worker.owner,
        error=str(error),
        confirmed=is_success(error),
    )
    # A server that asks to come back later may show its run as late as that.
    window = max(worker.timing.settle, _ordered_wait(error))
    if _asks_to_come_back(error) and window > patience:
        raise NotStartedError(f"task {task.key}: {_NONE_SEEN}: {error}")
    worker.warn(task.key, f"the reply to the start does not say whether a run began; looking for one: {error}")
    return await adopt_if_found(worker, task, execution, sent_by, window=window, patience=patience)


async def _close_unfound(worker: Worker, task: TaskSpec, execution: Execution, error: LinktApiError) -> None:
    """After an unclear reply that left no run: start again if another request may succeed.

    Raises:
        StartRefusedError: the same request would get the same answer.
    """
    if is_worth_repeating(error):
        await close_lost(worker, execution, str(error))
        return
    await close(worker, execution, ExecutionState.REFUSED, f"{NOT_LISTED}: {error}")
    raise StartRefusedError(f"task {task.key}: no run was started, Linkt's list has none of this request: {error}")


async def _give_up(
    worker: Worker, task: TaskSpec, execution: Execution, error: LinktApiError, looked_up: bool
) -> NoReturn:
    """Stop trying to send a request that did not leave."""
    message = f"task {task.key}: {await _close_unstarted(worker, execution, error, looked_up)}: {error}"
    raise UnreachableError(message) if isinstance(error, RequestNotSentError) else NotStartedError(message)


async def _close_unstarted(worker: Worker, execution: Execution, error: LinktPipelineError, looked_up: bool) -> str:
    """Close the row of a request that made no run.

    If an earlier request of the row was unclear, the row stays open, and the next start looks for its run again.

    Returns:
        What it cost, for a message.
    """
    if looked_up:
        await worker.call(worker.ledger.mark_unknown, execution.execution_id, worker.owner, error=str(error))
        return _NONE_SEEN
    await close(worker, execution, ExecutionState.REFUSED, str(error))
    return "no run was started and nothing was spent"


def _asks_to_come_back(error: LinktApiError) -> bool:
    return isinstance(error, RateLimitedError | ServiceUnavailableError)


def _ordered_wait(error: LinktApiError) -> timedelta:
    return getattr(error, "retry_after", None) or timedelta(0)
