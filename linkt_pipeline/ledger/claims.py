"""What a claim gets: an execution that was bought already, or the right to buy one.

A Dagster run asks once for each of its tasks. A Dagster run that executes it again repeats the question. The
transaction of the claim writes the answer down: the execution that the question bought, adopted, or was owed. So a
repeated question gets the same answer, even if others have started the task since, and whatever the clocks say. A
question may have several names, such as those of a Dagster run and of its backfill; each name leads to the answer.

A row belongs to the entry of tasks.yaml that has its name. If that entry was renamed, the row belongs to the entry with
its request: the Linkt task, the ICP and the parameters. Two entries with one request stay two; each buys its own run.
"""

import uuid
from dataclasses import replace
from datetime import timedelta

import orjson

from linkt_pipeline.ledger.credit_guard import budget_of
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.leases import is_free
from linkt_pipeline.ledger.owed_outcomes import is_wanted
from linkt_pipeline.ledger.rows import LedgerRows, RowLock, Which
from linkt_pipeline.ledger.values import (
    OPEN_STATES,
    Claim,
    Execution,
    ExecutionState,
    Intention,
    LedgerCheckFailedError,
)
from linkt_pipeline.package_files import built_in_check
from linkt_pipeline.warehouse.queries import completed_runs, landed_run_versions, rejected_runs

# What decides which task starts a run holds this name. One name for all tasks, because the limit of all tasks together
# and an entry's old name concern several. Who waits, lands or renews a lease needs it not.
CLAIMS = "claims"

# Error-level checks of the ledger's own tables, with the table that each reads.
OWN_CHECKS = {
    "executions_key": "executions",
    "undelivered_key": "undelivered",
    "answers_key": "answers",
    "finished_runs_are_landed": "executions",
    "one_open_execution_per_task": "executions",
    "one_execution_per_run": "executions",
}


def claim(rows: LedgerRows, intention: Intention, owner: Owner, lease: timedelta) -> Claim:
    """Take over the open execution of a task, or write down a new one; see :class:`Claim`.

    Raises:
        CreditLimitReachedError: nothing is open and a limit leaves less for this month than the run will cost.
        LedgerCheckFailedError: nothing is open and an error-level check of the ledger fails.
    """
    rows.hold(CLAIMS)
    questions, task_key = intention.question_names, intention.task_key
    known = rows.answers_to(questions, task_key) if questions else frozenset()
    answer = _answer(rows, intention, known, owner, lease) or _intend(rows, intention, known, owner, lease)
    if questions:
        rows.remember_answer(questions, task_key, answer.execution.execution_id)
    # Not the moment when this call began: a thousand tasks that start at once wait for each other before they are here.
    return replace(answer, asked_at=rows.asked_at)


def take_over_open(rows: LedgerRows, intention: Intention, owner: Owner, lease: timedelta) -> Claim | None:
    """Take the lease of the open execution of a task, unless a living process holds it; None if nothing is open."""
    while found := _open_execution(rows, intention):
        if claim := _take_over(rows, found, intention, owner, lease):
            return claim
    return None


def _open_execution(rows: LedgerRows, intention: Intention) -> Execution | None:
    """The open execution of a task: the one under its name or, if there is none, that of the name it had before."""
    own = rows.executions(Which(task_key=intention.task_key, states=OPEN_STATES), limit=1)
    return next(iter(own or _before_renaming(rows, intention, Which(states=OPEN_STATES))), None)


def _take_over(rows: LedgerRows, row: Execution, intention: Intention, owner: Owner, lease: timedelta) -> Claim | None:
    """Take the lease of an open execution, unless a living process holds it; None if it was closed meanwhile."""

    def may_take(row: Execution) -> bool:
        # One process may execute several entries: a row under another name is the work of another, even in here.
        mine = row.lease_owner == owner.name and row.task_key == intention.task_key
        return mine or is_free(row, rows.now)

    if not may_take(row):
        return Claim(row, created=False, owned=False)
    # Since it was read, its owner may have woken up, and renewed its lease or landed its run: so read it again, locked.
    locked = rows.executions(Which(execution_ids=[row.execution_id], states=OPEN_STATES), lock=RowLock.DECIDE)
    if not locked:
        return None
    (row,) = locked
    if not may_take(row):
        return Claim(row, created=False, owned=False)
    rows.change(
        row.execution_id,
        {"task_key": intention.task_key, "lease_owner": owner.name, "lease_until": rows.now + lease},
    )
    return Claim(replace(row, task_key=intention.task_key), created=False, owned=True)


def new_execution(rows: LedgerRows, intention: Intention) -> Execution:
    """An execution for an intention, which is still to be written down."""
    return Execution(
        execution_id=uuid.uuid4().hex,
        task_key=intention.task_key,
        task_id=intention.task_id,
        icp_id=intention.icp_id,
        parameters=orjson.loads(orjson.dumps(dict(intention.parameters))),
        attempt=intention.attempt,
        state=ExecutionState.INTENDED,
        dagster_run_id=intention.dagster_run_id,
        intended_at=rows.now,
    )


def _answer(
    rows: LedgerRows, intention: Intention, known: frozenset[str], owner: Owner, lease: timedelta
) -> Claim | None:
    """The execution that answers the intention already; None: a new run has to be bought."""
    asked_by = intention.asked_by or owner.name
    if completed := _completed(rows, known):
        rows.owe_to(completed.execution_id, asked_by)
        return Claim(completed, created=False, owned=True, repeated=True)
    if claim := take_over_open(rows, intention, owner, lease):
        return claim
    latest = _latest_finished(rows, intention)
    if intention.after is not None and latest and latest.intended_at > intention.after.intended_at:
        return Claim(latest, created=False, owned=False)
    if latest and _is_owed(rows, latest, intention, known):
        rows.owe_to(latest.execution_id, asked_by)
        return Claim(latest, created=False, owned=True)
    if ended := _ended_unseen(rows, intention):
        return Claim(ended, created=False, owned=False)
    return None


def _intend(rows: LedgerRows, intention: Intention, known: frozenset[str], owner: Owner, lease: timedelta) -> Claim:
    """Write down that a new run will be bought, if limits and checks allow it."""
    budget = budget_of(rows, intention, _used_permission(rows, intention, known))
    _refuse_on_failing_checks(rows, intention)
    execution = replace(
        new_execution(rows, intention),
        lease_owner=owner.name,
        lease_until=rows.now + lease,
        expected_credits=budget.expected,
        budget_rest=budget.rest,
        over_budget_by=budget.over_budget_by,
    )
    rows.add(execution)
    return Claim(execution, created=True, owned=True)


def _used_permission(rows: LedgerRows, intention: Intention, known: frozenset[str]) -> Execution | None:
    """The execution for which the question has used its permission to go over budget.

    A repetition inherits the permission together with everything else. Nobody has thought of the budget again, so one
    permission is good for one run. A further attempt of the same start (``retry``) belongs to that run.
    """
    if intention.over_budget_by is None or intention.after is not None or not known:
        return None
    return next((row for row in rows.executions(Which(execution_ids=known)) if row.run_id), None)


def _before_renaming(
    rows: LedgerRows, intention: Intention, which: Which, *, owed_and_latest_first: bool = False
) -> list[Execution]:
    """Executions with exactly the request of a task, under a name that no entry of tasks.yaml has."""
    if intention.entries is None:
        return []
    parameters = orjson.loads(orjson.dumps(dict(intention.parameters)))
    of_request = replace(which, request=(intention.task_id, intention.icp_id), not_task_keys=intention.entries)
    return [
        row
        for row in rows.executions(of_request, owed_and_latest_first=owed_and_latest_first)
        if row.parameters == parameters
    ]


def _latest_finished(rows: LedgerRows, intention: Intention) -> Execution | None:
    """The latest finished execution of a task. One under the name before a renaming wins if only that one is owed.

    Somebody may set the clock between two runs, so times alone do not show which run is the latest. An owed outcome
    does: a run that ends cancels the debt of all runs before it. An execution that was given up has no outcome, because
    its run is a reject.
    """
    finished = Which(states=[ExecutionState.FINISHED], not_runs=rejected_runs(rows.con))
    of_name = replace(finished, task_key=intention.task_key)
    found = [
        *rows.executions(of_name, owed_and_latest_first=True, limit=1),
        *_before_renaming(rows, intention, finished, owed_and_latest_first=True)[:1],
    ]
    owed = rows.owed([row.execution_id for row in found]) if len(found) > 1 else {}
    return next((row for row in found if row.execution_id in owed), next(iter(found), None))


def _completed(rows: LedgerRows, known: frozenset[str]) -> Execution | None:
    """The execution that answered the question before, if its run completed; a failed run does not answer it again."""
    if not known:
        return None
    finished = rows.executions(Which(execution_ids=known, states=[ExecutionState.FINISHED]))
    completed = completed_runs(rows.con, [row.run_id for row in finished if row.run_id])
    return next((row for row in reversed(finished) if row.run_id in completed), None)


def _is_owed(rows: LedgerRows, row: Execution, intention: Intention, known: frozenset[str]) -> bool:
    """Whether the task's latest run answers this question, because somebody does not have all of its outcome yet."""
    asked_at = intention.not_before and intention.not_before + rows.clock_ahead
    of_an_earlier_question = asked_at is not None and row.intended_at < asked_at and row.execution_id not in known
    if _was_seen(row, intention) or of_an_earlier_question:
        return False
    return is_wanted(rows, row)


def _was_seen(row: Execution, intention: Intention) -> bool:
    """Whether the row is exactly the attempt that this intention follows. Compares ids, because clocks can be set."""
    after = intention.after
    return after is not None and not after.state.is_open and row.execution_id == after.execution_id


def _ended_unseen(rows: LedgerRows, intention: Intention) -> Execution | None:
    """The execution that this start followed, if another process, such as a sync, has landed it since the last look."""
    after = intention.after
    if after is None or not after.state.is_open:
        return None
    ended = rows.executions(Which(execution_ids=[after.execution_id], states=[ExecutionState.FINISHED]))
    # A row that a person gave up has no landed run: such a task buys another one.
    return next((row for row in ended if row.run_id and landed_run_versions(rows.con, [row.run_id])), None)


def _refuse_on_failing_checks(rows: LedgerRows, intention: Intention) -> None:
    # Only checks of the ledger's own tables run here: checks of a million entities take seconds, and no other process
    # gets the file meanwhile. If one of those fails later, the run is owed, and repeating the command buys no other.
    for name, table in OWN_CHECKS.items():
        if offending := len(rows.con.execute(built_in_check(name)).fetchmany(100)):
            raise LedgerCheckFailedError(
                f"task {intention.task_key}: check {name} of linkt.{table} fails ({offending} rows), so "
                "nothing that a new run finds could be published, and none is started. `linkt-pipeline ui` shows the "
                "rows; docs/operations.md says what to do about them"
            )
