"""What a person can decide about an execution: which run belongs to it, that no run does, or that it is given up."""

from datetime import timedelta

from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.ledger.claims import CLAIMS, new_execution, take_over_open
from linkt_pipeline.ledger.lease_owner import Owner, describe_owner
from linkt_pipeline.ledger.leases import hold_run, is_free
from linkt_pipeline.ledger.rows import LedgerRows, RowLock, Which
from linkt_pipeline.ledger.values import Execution, ExecutionState, Intention
from linkt_pipeline.warehouse.queries import rejected_runs


def adopt(rows: LedgerRows, intention: Intention, run_id: str) -> Execution:
    """See :meth:`~linkt_pipeline.ledger.ledger.Ledger.adopt`."""
    rows.hold(CLAIMS)
    hold_run(rows, run_id)
    if taken := rows.executions(Which(run_ids=[run_id]), limit=1):
        raise LinktPipelineError(
            f"run {run_id} already belongs to execution {taken[0].execution_id} of task {taken[0].task_key} "
            f"({taken[0].state}); nothing to adopt"
        )
    row = _open_row_at_rest(rows, intention)
    if row is not None and row.state is ExecutionState.STARTED:
        raise LinktPipelineError(
            f"task {intention.task_key} is already waiting for run {row.run_id}; "
            f"cancel that one first (linkt-pipeline cancel {row.run_id}) or let it end"
        )
    if row is None:
        row = new_execution(rows, intention)
        rows.add(row)
    rows.change(
        row.execution_id,
        {
            "state": ExecutionState.STARTED,
            "run_id": run_id,
            "started_at": rows.now,
            "lease_owner": None,
            "lease_until": None,
            "last_error": None,
        },
    )
    return rows.get(row.execution_id)


def deny(rows: LedgerRows, intention: Intention) -> Execution:
    """See :meth:`~linkt_pipeline.ledger.ledger.Ledger.deny`."""
    rows.hold(CLAIMS)
    row = _open_row_at_rest(rows, intention)
    if row is None or row.state is ExecutionState.STARTED:
        raise LinktPipelineError(
            f"task {intention.task_key} has no start whose reply was lost, so there is nothing to decide"
        )
    rows.change(
        row.execution_id,
        {
            "state": ExecutionState.LOST,
            "finished_at": rows.now,
            "lease_owner": None,
            "last_error": "a person said that no run came of it",
        },
    )
    return rows.get(row.execution_id)


def give_up(rows: LedgerRows, run_id: str) -> Execution | None:
    """See :meth:`~linkt_pipeline.ledger.ledger.Ledger.give_up`."""
    rows.hold(CLAIMS)
    waiting = rows.executions(Which(run_ids=[run_id], states=[ExecutionState.STARTED]), lock=RowLock.DECIDE)
    row = next((row for row in waiting if row.run_id == run_id), None)
    if row is None or not is_free(row, rows.now) or not rejected_runs(rows.con, [run_id]):
        return None
    rows.change(
        row.execution_id,
        {"state": ExecutionState.FINISHED, "finished_at": rows.now, "lease_owner": None, "lease_until": None},
    )
    return row


def _open_row_at_rest(rows: LedgerRows, intention: Intention) -> Execution | None:
    """The open row of a task, for a person to decide about. Refuses a row that a living process holds."""
    taken = take_over_open(rows, intention, Owner("adopt"), timedelta(0))
    if taken is None:
        return None
    if not taken.owned:
        raise LinktPipelineError(
            f"another process ({describe_owner(taken.execution.lease_owner)}) is working on task "
            f"{intention.task_key}; stop it first, then adopt again"
        )
    return taken.execution
