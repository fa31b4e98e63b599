"""Start a run, or adopt the one that exists.

The order is the protection: the intention is committed before the request, the run id right after it, and a
request whose outcome is unclear is looked up, never repeated. docs/guarantees.md walks through every crash
window.
"""

import asyncio
from dataclasses import replace

from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.difference import differences
from linkt_pipeline.executions.errors import NotStartedError
from linkt_pipeline.executions.events import RunAdopted
from linkt_pipeline.executions.send import note_clock, send_start
from linkt_pipeline.executions.settle import close, settle
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.lease_owner import describe_owner
from linkt_pipeline.ledger.values import Claim, Execution, ExecutionState, Intention
from linkt_pipeline.tasks import TaskSpec

_LOST_STARTS = 3  # so many requests in a row that left no run are an outage


async def start_or_adopt(
    worker: Worker, task: TaskSpec, *, attempt: int = 1, after: Execution | None = None
) -> Execution:
    """Bring a task to exactly one run.

    Args:
        worker: who asks.
        task: what to run.
        attempt: 1, or more when earlier runs failed.
        after: the failed attempt that this one follows, as it ended.

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
        timezone=task.timezone,
        common=worker.common,
        over_budget_by=worker.over_budget_by,
        after=after,
        not_before=worker.not_before,
        question=worker.question,
        same_question=worker.same_question,
        asked_by=worker.asked_by,
        entries=worker.entries,
    )
    lost = 0
    while lost < _LOST_STARTS:
        claim = await worker.claim(intention)
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
        # The row led to no run, or its process is gone and the row may end at any moment. Another process that watched
        # it may start, and even finish, the next run before us.
        # The row's attempt is still to be made, so the next row keeps its number.
        attempt = max(attempt, claim.execution.attempt)
        intention = replace(intention, attempt=attempt, after=claim.execution)
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
        _tell_expected_cost(worker, task, execution)
        await _prepare(worker, execution)
        return await send_start(worker, task, await note_clock(worker, execution))
    if execution.state in (ExecutionState.STARTED, ExecutionState.FINISHED):
        worker.report(RunAdopted(task.key, str(execution.run_id), _why_adopted(claim)))
        return execution
    worker.warn(task.key, "an earlier start was interrupted before its reply; looking for its run")
    sent_by = execution.lease_until or execution.intended_at
    return await settle(worker, task, execution, sent_by, execution.last_error or "interrupted before its reply")


async def _prepare(worker: Worker, execution: Execution) -> None:
    """Do the work that this start needs before its request. If that fails, nothing was sent and the row is closed."""
    if worker.before_start is None:
        return
    try:
        await worker.before_start(execution)
    except LinktPipelineError as error:
        await close(worker, execution, ExecutionState.REFUSED, f"not sent: {error}")
        raise


def _tell_expected_cost(worker: Worker, task: TaskSpec, execution: Execution) -> None:
    expected, rest = execution.expected_credits, execution.budget_rest
    cost = (
        "what the run will cost is unknown: no completed run of the task has stated its cost yet"
        if expected is None
        else f"the run is expected to cost {expected:g} credits (median of the task's last completed runs)"
    )
    left = "" if rest is None else f"; {max(rest, 0):g} credits are left of the month's limit"
    if execution.over_budget_by is None:
        worker.note(task.key, cost + left)
    else:
        worker.warn(task.key, f"{cost}{left}; started over budget by {execution.over_budget_by}")


def _why_adopted(claim: Claim) -> str:
    if claim.execution.state is ExecutionState.STARTED:
        return "its earlier wait was interrupted"
    if claim.repeated:
        return "it answered this Dagster run before; materialize the task to buy another"
    return "it has ended, and the command or Dagster run that asked for it did not land and publish all of its rows"


async def _follow(worker: Worker, task: TaskSpec, execution: Execution) -> Execution | None:
    """Another live process acts for this task: watch its row until it is done or its lease is free."""
    row = execution
    if row.state.is_open:
        leader = describe_owner(row.lease_owner)
        worker.note(task.key, f"another process ({leader}) is working on this task; following it")
    while row.state.is_open:
        await asyncio.sleep(worker.timing.follow.total_seconds())
        row, is_free = await worker.call_when_free(task.key, worker.ledger.look, execution.execution_id)
        if row.state.is_open and is_free:
            return None
    if row.state is ExecutionState.FINISHED:
        worker.report(RunAdopted(task.key, str(row.run_id), "another process waited for it"))
    return row
