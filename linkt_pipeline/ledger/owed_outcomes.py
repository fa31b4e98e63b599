"""How an execution ends, and to whom its outcome is owed: ``linkt.undelivered``.

The outcome of a run is owed until all the work that was asked for is done: its ids are fetched, the models built, the
snapshot published. Until then every start of its task gets this outcome and buys nothing. The transaction that lands
the run writes the row, so that no crash can come between the two. The last step of the work deletes the row.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.leases import change_as_owner, is_free
from linkt_pipeline.ledger.rows import Changes, LedgerRows, RowLock, Which
from linkt_pipeline.ledger.values import OPEN_STATES, Execution, ExecutionState
from linkt_pipeline.warehouse.queries import rejected_runs, unfetched_runs

# Everybody can read published rows. A caller who asks a day later wants news, not what a crash left behind.
_WANTED_FOR = timedelta(hours=24)


def finish(
    rows: LedgerRows,
    execution_id: str,
    owner: Owner,
    *,
    run_status: str,
    error_kind: str | None,
    error: str | None,
    asked_by: str | None = None,
) -> None:
    """Close an execution whose run is terminal, inside the transaction that lands that run.

    From now on its outcome is owed to ``asked_by`` (default: the owner). Earlier outcomes of its task are no longer
    owed, so they answer no start any more.

    Raises:
        LeaseLostError: another process took the execution over; the transaction must not be committed.
    """
    row = change_as_owner(rows, execution_id, owner, _end(rows.now, run_status, error_kind, error))
    rows.owe_no_more_of(row.task_key)
    rows.owe(execution_id, asked_by or owner.name)


def unattended(rows: LedgerRows, run_ids: Collection[str]) -> dict[str, list[Execution]]:
    """Started executions of these runs that no living process holds, by run. Asked for before the runs are landed.

    A row that somebody else has locked is being landed, taken over or closed, so it is not among them.
    """
    found: dict[str, list[Execution]] = {run_id: [] for run_id in run_ids}
    started = Which(run_ids=run_ids, states=[ExecutionState.STARTED])
    # A row with a live lease must not be locked: while its run waits to be landed here, its owner could not renew it.
    free = [row.execution_id for row in rows.executions(started) if is_free(row, rows.now)]
    if not free:
        return found
    for row in rows.executions(replace(started, execution_ids=free), lock=RowLock.DECIDE_IF_UNUSED):
        # A process with a live lease lands the run itself and knows who asked for it.
        if row.run_id in found and is_free(row, rows.now):
            found[row.run_id].append(row)
    return found


def finish_unattended(
    rows: LedgerRows,
    row: Execution,
    *,
    run_status: str,
    error_kind: str | None,
    error: str | None,
    delivered: bool,
) -> None:
    """Close an execution whose run is terminal and that nobody waits for, inside the transaction that lands the run.

    Args:
        rows: the transaction.
        row: one of :func:`unattended`.
        run_status: how its run ended, as a single read of the run showed.
        error_kind: why it failed, if it did.
        error: the same in Linkt's words.
        delivered: the caller who wanted the outcome knows it, so the next claim buys a new run. If False, the outcome
            is owed, and the next claim gets it.
    """
    changes = _end(rows.now, run_status, error_kind, error)
    changes["lease_owner"] = None
    rows.change(row.execution_id, changes)
    rows.owe_no_more_of(row.task_key)
    if not delivered:
        rows.owe(row.execution_id, None)


def runs_at_rest(rows: LedgerRows) -> list[str]:
    """Runs of open executions that no living process waits for and that may still land, oldest first."""
    started = rows.executions(Which(states=[ExecutionState.STARTED], not_runs=rejected_runs(rows.con)))
    return [
        row.run_id for row in started if row.state is ExecutionState.STARTED and row.run_id and is_free(row, rows.now)
    ]


def is_wanted(rows: LedgerRows, row: Execution) -> bool:
    """Whether the next start of a task gets this outcome.

    Always while its rows are not published. Once they are, for 24 more hours, because the caller got no answer.
    """
    owed = rows.owed([row.execution_id], lock=RowLock.DECIDE).get(row.execution_id)
    if owed is None:
        return False
    # Without a time of its end, nobody can say that the outcome is too old: a paid run is not bought again in doubt.
    return owed.published_at is None or row.finished_at is None or row.finished_at > rows.now - _WANTED_FOR


def complete_outcomes(rows: LedgerRows) -> list[str]:
    """Executions whose outcome is owed and whose run has no id left to fetch: a snapshot taken now holds all of it."""
    owed = rows.owed()
    if not owed:
        return []
    ended = rows.executions(Which(execution_ids=owed))
    unfetched = unfetched_runs(rows.con, [row.run_id for row in ended if row.run_id])
    return [row.execution_id for row in ended if row.run_id not in unfetched]


def owed_outcomes(rows: LedgerRows, task_keys: Collection[str]) -> list[tuple[str, str, str | None]]:
    """What is owed of some tasks: execution id, task key and who asked, oldest first."""
    owed = rows.owed()
    if not owed:
        return []
    return [
        (row.execution_id, row.task_key, owed[row.execution_id].asked_by)
        for row in rows.executions(Which(execution_ids=owed))
        if row.task_key in task_keys
    ]


def dagster_runs_of_open_outcomes(rows: LedgerRows) -> set[str]:
    """Who started or asked for what is not settled yet: ids of Dagster runs, and of commands."""
    owed = rows.owed()
    unsettled = [*rows.executions(Which(states=OPEN_STATES)), *rows.executions(Which(execution_ids=owed))]
    names = {row.dagster_run_id for row in unsettled} | {each.asked_by for each in owed.values()}
    return {name for name in names if name}


def _end(now: datetime, run_status: str, error_kind: str | None, error: str | None) -> Changes:
    return {
        "state": ExecutionState.FINISHED,
        "run_status": run_status,
        "error_kind": error_kind,
        "last_error": error,
        "finished_at": now,
    }
