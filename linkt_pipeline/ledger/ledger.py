"""The ledger: one row of ``linkt.executions`` per attempt to start a Linkt run.

Why it exists: the API has no idempotency key, so the only protection against paying twice is to write the
intention down before the request and the run id right after it. A row is *open* from the intention until
its run is terminal (or is known never to have started); while one is open, nobody starts a second run for
the same task.

A row is *owned* through a lease. Its owner alone may send the request, wait, and land the run. The lease is
renewed while the owner lives and can be taken over once it expires or its process is gone, so that a killed
worker leaves neither an orphan nor a deadlock. The outcome of a finished row is owed until whoever asked for it has
all of it (see owed_outcomes.py): the next claim of its task gets it and buys nothing.

A row belongs to its entry of tasks.yaml by name, and to an entry that has been renamed by its request: the Linkt task,
the ICP and the parameters. Two entries with one request stay two, and each buys its own run.

:class:`~linkt_pipeline.ledger.interface.Ledger` is the interface; :class:`DuckDbLedger` keeps it in the warehouse. The
whole of ``claim`` is one transaction under the file's exclusive lock: two processes that start a task at one moment get
one row.
"""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import orjson

from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.ledger.answers import answers_to, remember_answer
from linkt_pipeline.ledger.lease_owner import Owner, describe_owner, owner_is_gone
from linkt_pipeline.ledger.owed_outcomes import ask_for, is_owed, owe, supersede
from linkt_pipeline.ledger.values import (
    BooksDisagreeError,
    Claim,
    CreditLimitReachedError,
    Execution,
    ExecutionState,
    Intention,
    LeaseLostError,
    RunTakenError,
)
from linkt_pipeline.package_files import built_in_check
from linkt_pipeline.warehouse.credits import Spending, expected_credits, spending_by_task, total_spending
from linkt_pipeline.warehouse.ids import WELL_FORMED_ID
from linkt_pipeline.warehouse.outbox import tell_unclear_start
from linkt_pipeline.warehouse.tombstones import read_tombstones, text_without_erased
from linkt_pipeline.warehouse.warehouse import Warehouse


class DuckDbLedger:
    """The ledger in ``linkt.executions`` of the warehouse."""

    def __init__(self, warehouse: Warehouse, *, lease: timedelta = timedelta(seconds=60)) -> None:
        self._warehouse = warehouse
        self.lease = lease

    def claim(self, intention: Intention, owner: Owner) -> Claim:
        """See :meth:`Ledger.claim`."""
        with self._warehouse.write() as con:
            now = _now()  # not before the file is ours: the order of rows is the order of claims
            known = answers_to(con, intention.question_names, intention.task_key)
            claim = self._answer(con, intention, known, owner, now) or self._intend(con, intention, owner, now)
            remember_answer(con, intention.question_names, intention.task_key, claim.execution.execution_id, now)
            return claim

    def _answer(
        self,
        con: duckdb.DuckDBPyConnection,
        intention: Intention,
        known: frozenset[str],
        owner: Owner,
        now: datetime,
    ) -> Claim | None:
        """What there is already and answers the intention; None: a new run has to be bought."""
        asked_by = intention.asked_by or owner.name
        if completed := _completed(con, intention, known):
            ask_for(con, completed.execution_id, asked_by)
            return Claim(completed, created=False, owned=True, repeated=True)
        if found := _rows_of(con, intention, f"{_OPEN} order by intended_at"):
            return self._take_over(con, found[0], intention, owner, now)
        latest = _latest_finished(con, intention)
        if intention.after is not None and latest and latest.intended_at > intention.after.intended_at:
            return Claim(latest, created=False, owned=False)
        if latest and _is_owed(con, latest, intention, known, now):
            ask_for(con, latest.execution_id, asked_by)
            return Claim(latest, created=False, owned=True)
        if ended := _ended_unseen(con, intention):
            return Claim(ended, created=False, owned=False)
        return None

    def _intend(self, con: duckdb.DuckDBPyConnection, intention: Intention, owner: Owner, now: datetime) -> Claim:
        """Write down that a new run is to be bought, if that may be."""
        budget = _refuse_beyond_limit(con, intention, now)
        _refuse_on_failing_checks(con, intention)
        held = {"lease_owner": owner.name, "lease_until": now + self.lease}
        execution_id = _insert(con, intention, now, held | budget)
        return Claim(_select(con, "execution_id = ?", [execution_id])[0], created=True, owned=True)

    def _take_over(
        self, con: duckdb.DuckDBPyConnection, row: Execution, intention: Intention, owner: Owner, now: datetime
    ) -> Claim:
        # Under another name it is another task's work to this very process, too.
        mine = row.lease_owner == owner.name and row.task_key == intention.task_key
        if not mine and not self.is_free(row):
            return Claim(row, created=False, owned=False)
        con.execute(
            "update linkt.executions set task_key = ?, lease_owner = ?, lease_until = ? where execution_id = ?",
            [intention.task_key, owner.name, now + self.lease, row.execution_id],
        )
        return Claim(replace(row, task_key=intention.task_key), created=False, owned=True)

    def get(self, execution_id: str) -> Execution:
        """See :meth:`Ledger.get`."""
        with self._warehouse.read() as con:
            return _select(con, "execution_id = ?", [execution_id])[0]

    def mark_started(self, execution_id: str, owner: Owner, *, run_id: str, run_status: str | None) -> Execution:
        """See :meth:`Ledger.mark_started`."""
        values = {"state": ExecutionState.STARTED, "run_id": run_id, "run_status": run_status, "started_at": _now()}
        with self._warehouse.write() as con:
            if taken := _select(con, f"{_OF_RUN} and execution_id <> ?", [run_id, execution_id]):
                raise RunTakenError(
                    f"run {run_id} belongs to execution {taken[0].execution_id} of task {taken[0].task_key} already"
                )
            _assign(con, execution_id, owner, values)
            return _select(con, "execution_id = ?", [execution_id])[0]

    def note_clock(self, execution_id: str, owner: Owner, offset: timedelta) -> Execution:
        """See :meth:`Ledger.note_clock`."""
        return self._update(execution_id, owner, {"clock_offset_seconds": offset.total_seconds()})

    def mark_unknown(
        self,
        execution_id: str,
        owner: Owner,
        *,
        error: str,
        confirmed: bool = False,
        forget_run: bool = False,
        needs_person: bool = False,
    ) -> Execution:
        """See :meth:`Ledger.mark_unknown`."""
        values: dict[str, Any] = {"state": ExecutionState.UNKNOWN, "last_error": error}
        values |= {"start_confirmed": True} if confirmed else {}
        values |= {"run_id": None, "run_status": None, "started_at": None} if forget_run else {}
        with self._warehouse.write() as con:
            _assign(con, execution_id, owner, values)
            row = _select(con, "execution_id = ?", [execution_id])[0]
            if needs_person:
                tell_unclear_start(con, row.execution_id, row.task_key, row.dagster_run_id)
            return row

    def mark_closed(self, execution_id: str, owner: Owner, state: ExecutionState, *, error: str) -> Execution:
        """See :meth:`Ledger.mark_closed`."""
        return self._update(execution_id, owner, {"state": state, "last_error": error, "finished_at": _now()})

    def note(self, execution_id: str, owner: Owner, *, run_status: str | None = None, error: str | None = None) -> None:
        """See :meth:`Ledger.note`."""
        seen = {"run_status": run_status, "last_error": error}
        if values := {column: value for column, value in seen.items() if value is not None}:
            self._update(execution_id, owner, values)

    def renew(self, owner: Owner) -> frozenset[str]:
        """See :meth:`Ledger.renew`."""
        with self._warehouse.write(news=False) as con:
            con.execute(
                "update linkt.executions set lease_until = ? where lease_owner = ?", [_now() + self.lease, owner.name]
            )
            rows = con.execute(
                f"select execution_id from linkt.executions where lease_owner = ? and {_OPEN}",  # noqa: S608
                [owner.name],
            ).fetchall()
        return frozenset(row[0] for row in rows)

    def release(self, owner: Owner) -> None:
        """See :meth:`Ledger.release`."""
        # lease_until stays, as the last moment at which this owner can have sent a request: whoever takes an unclear
        # row over searches for its run up to then.
        with self._warehouse.write(news=False) as con:
            con.execute(
                """
                update linkt.executions set lease_owner = null, lease_until = least(lease_until, ?)
                where lease_owner = ?
                """,
                [_now(), owner.name],
            )

    def is_free(self, row: Execution) -> bool:
        """See :meth:`Ledger.is_free`."""
        return _is_free(row)

    def owned_run_ids(self, task_id: str) -> frozenset[str]:
        """See :meth:`Ledger.owned_run_ids`."""
        with self._warehouse.read() as con:
            rows = con.execute(
                "select run_id from linkt.executions where task_id = ? and run_id is not null", [task_id]
            ).fetchall()
        return frozenset(row[0] for row in rows)

    def open_executions(self, task_keys: Iterable[str] | None = None) -> Sequence[Execution]:
        """See :meth:`Ledger.open_executions`."""
        with self._warehouse.read() as con:
            rows = _select(con, f"{_OPEN} order by intended_at", [])
        wanted = None if task_keys is None else set(task_keys)
        return [row for row in rows if wanted is None or row.task_key in wanted]

    def adopt(self, intention: Intention, run_id: str) -> Execution:
        """Decide by hand which run an execution stands for (``linkt-pipeline adopt``).

        The open row of the task takes the run; without an open row a new one is written, so that the run is
        waited for and landed as if the pipeline had started it.

        Raises:
            LinktPipelineError: a live process is working on the task, the open row has another run already,
                or the run belongs to another execution.
        """
        now = _now()
        with self._warehouse.write() as con:
            if taken := _select(con, _OF_RUN, [run_id]):
                raise LinktPipelineError(
                    f"run {run_id} already belongs to execution {taken[0].execution_id} of task {taken[0].task_key} "
                    f"({taken[0].state}); nothing to adopt"
                )
            found = self._open_row_at_rest(con, intention, now)
            if found and found[0].state is ExecutionState.STARTED:
                raise LinktPipelineError(
                    f"task {intention.task_key} is already waiting for run {found[0].run_id}; "
                    f"cancel that one first (linkt-pipeline cancel {found[0].run_id}) or let it end"
                )
            execution_id = found[0].execution_id if found else _insert(con, intention, now)
            con.execute(
                "update linkt.executions set state = 'started', run_id = ?, started_at = ?, lease_owner = null, "
                "lease_until = null, last_error = null where execution_id = ?",
                [run_id, now, execution_id],
            )
            return _select(con, "execution_id = ?", [execution_id])[0]

    def deny(self, intention: Intention) -> Execution:
        """Decide by hand that no run came of an unclear start (``linkt-pipeline adopt --none``).

        Raises:
            LinktPipelineError: a live process is working on the task, or it has no unclear start.
        """
        with self._warehouse.write() as con:
            found = self._open_row_at_rest(con, intention, _now())
            if not found or found[0].state is ExecutionState.STARTED:
                raise LinktPipelineError(
                    f"task {intention.task_key} has no start whose reply was lost, so there is nothing to decide"
                )
            con.execute(
                "update linkt.executions set state = 'lost', finished_at = ?, lease_owner = null, "
                "last_error = 'a person said that no run came of it' where execution_id = ?",
                [_now(), found[0].execution_id],
            )
            return _select(con, "execution_id = ?", [found[0].execution_id])[0]

    def _open_row_at_rest(self, con: duckdb.DuckDBPyConnection, intention: Intention, now: datetime) -> list[Execution]:
        """The open row of a task, taken from nobody: a person decides about it."""
        found = _rows_of(con, intention, f"{_OPEN} order by intended_at")[:1]
        if found and not self._take_over(con, found[0], intention, Owner("adopt"), now).owned:
            raise LinktPipelineError(
                f"another process ({describe_owner(found[0].lease_owner)}) is working on task {intention.task_key}; "
                "stop it first, then adopt again"
            )
        return found

    def rivals(self, execution: Execution, since: datetime) -> Sequence[Execution]:
        """Other starts of the same Linkt task since a moment that have no run: their reply is awaited or was lost."""
        with self._warehouse.read() as con:
            return _select(
                con,
                "task_id = ? and execution_id <> ? and run_id is null and intended_at >= ? "
                "and state in ('intended', 'unknown', 'lost') order by intended_at",
                [execution.task_id, execution.execution_id, since],
            )

    def give_up(self, run_id: str) -> Execution | None:
        """Close the open execution of a run that is kept as a reject (``linkt-pipeline cancel``).

        The next start of its task buys a new run.

        Returns:
            The closed row; None where the run is no reject, or no open execution waits for it, or a process does.
        """
        with self._warehouse.write() as con:
            rows = _select(
                con,
                "run_id = ? and state = 'started' "
                "and run_id in (select resource_id from linkt.rejects where resource_type = 'run')",
                [run_id],
            )
            if not rows or not _is_free(rows[0]):
                return None
            con.execute(
                "update linkt.executions set state = 'finished', finished_at = ?, lease_owner = null, "
                "lease_until = null where execution_id = ?",
                [_now(), rows[0].execution_id],
            )
            return rows[0]

    def _update(self, execution_id: str, owner: Owner, values: Mapping[str, Any]) -> Execution:
        with self._warehouse.write() as con:
            _assign(con, execution_id, owner, values)
            return _select(con, "execution_id = ?", [execution_id])[0]


def finish(
    con: duckdb.DuckDBPyConnection,
    execution_id: str,
    owner: Owner,
    *,
    run_status: str,
    error_kind: str | None,
    error: str | None,
    asked_by: str | None = None,
) -> None:
    """Close an execution whose run is terminal, inside the transaction that lands that run.

    Its outcome is owed from now on, to ``asked_by`` (default: the owner).

    Raises:
        LeaseLostError: another process took the execution over; the transaction must not be committed.
    """
    _assign(con, execution_id, owner, _end(run_status, error_kind, error))
    supersede(con, execution_id)
    owe(con, execution_id, asked_by or owner.name)


def finish_unattended(
    con: duckdb.DuckDBPyConnection,
    run_id: str,
    *,
    run_status: str,
    error_kind: str | None,
    error: str | None,
    delivered: bool,
) -> None:
    """Close the execution of a run that is terminal and that nobody waits for, inside the transaction that lands it.

    A row that a living process holds is left to that process.

    Args:
        con: the transaction.
        run_id: a run whose single read showed that it has ended.
        run_status: how it ended.
        error_kind: why it failed, if it did.
        error: the same in Linkt's words.
        delivered: its outcome is known to whoever wanted it, so the next claim buys anew; otherwise that gets it.
    """
    for row in _select(con, "run_id = ? and state = 'started'", [run_id]):
        if not _is_free(row):
            continue
        values = _to_keep(con, _end(run_status, error_kind, error) | {"lease_owner": None})
        con.execute(
            f"update linkt.executions set {_assignments(values)} where execution_id = ?",  # noqa: S608
            [*values.values(), row.execution_id],
        )
        supersede(con, row.execution_id)
        if not delivered:
            owe(con, row.execution_id, None)


def runs_at_rest(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Runs of open executions that no living process waits for and that may still land, oldest first."""
    rows = _select(
        con,
        "state = 'started' and run_id not in (select resource_id from linkt.rejects where resource_type = 'run') "
        "order by intended_at",
        [],
    )
    return [row.run_id for row in rows if row.state is ExecutionState.STARTED and row.run_id and _is_free(row)]


def _end(run_status: str, error_kind: str | None, error: str | None) -> dict[str, Any]:
    return {
        "state": ExecutionState.FINISHED,
        "run_status": run_status,
        "error_kind": error_kind,
        "last_error": error,
        "finished_at": _now(),
    }


def _assign(con: duckdb.DuckDBPyConnection, execution_id: str, owner: Owner, values: Mapping[str, Any]) -> None:
    values = _to_keep(con, values)
    changed = con.execute(
        f"update linkt.executions set {_assignments(values)} where execution_id = ? and lease_owner = ?",  # noqa: S608
        [*values.values(), execution_id, owner.name],
    ).fetchall()[0][0]
    if changed != 1:
        raise LeaseLostError(
            f"execution {execution_id} was taken over by another process while this one was busy or asleep; "
            "that process waits for the run and lands it, nothing was started twice"
        )


def _to_keep(con: duckdb.DuckDBPyConnection, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Linkt's words may quote what was erased."""
    if not values.get("last_error"):
        return values
    return {**values, "last_error": text_without_erased(read_tombstones(con), values["last_error"])}


def _assignments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{column} = ?" for column in values)


def _is_free(row: Execution) -> bool:
    expired = row.lease_until is None or row.lease_until <= _now()
    return row.lease_owner is None or expired or owner_is_gone(row.lease_owner)


def _refuse_beyond_limit(con: duckdb.DuckDBPyConnection, intention: Intention, now: datetime) -> dict[str, Any]:
    """Columns of the new row: what it is expected to cost, what the tightest limit leaves, and who overrode that.

    Runs that are open count as spent, so two starts at one moment do not both get a rest that does for one.
    """
    expected = expected_credits(con, intention.task_id)
    common = intention.common
    limits: list[tuple[str, Spending, float, str]] = []
    if (limit := intention.monthly_credit_limit) is not None:
        spent = spending_by_task(con, now, intention.timezone).get(intention.task_id.lower(), Spending())
        limits.append(("", spent, limit, intention.timezone))
    if (limit := common.monthly_credit_limit) is not None:
        spent = total_spending(spending_by_task(con, now, common.timezone).values())
        limits.append(("of all tasks together ", spent, limit, common.timezone))
    beyond = [each for each in limits if not each[1].leaves_room(each[2], expected)]
    if beyond and intention.over_budget_by is None:
        whose, spent, limit, zone = beyond[0]
        raise CreditLimitReachedError(_limit_reached(intention, whose, spent, limit, now, zone, expected))
    return {
        "expected_credits": expected,
        "budget_rest": min((limit - spent.counted for _, spent, limit, _ in limits), default=None),
        "over_budget_by": intention.over_budget_by if beyond else None,
    }


def _limit_reached(
    intention: Intention, whose: str, spent: Spending, limit: float, now: datetime, zone: str, expected: float | None
) -> str:
    estimated = (
        f" ({spent.estimated_credits:g} of them estimated: a run that is open or states no cost counts as the "
        "median of the task's runs)"
        if spent.estimated_runs
        else ""
    )
    too_much = (
        ""
        if spent.reaches(limit)
        else f"; {limit - spent.counted:g} are left, and the run is expected to cost {expected or 0:g} (median of the "
        "task's last runs)"
    )
    return (
        f"task {intention.task_key}: {spent.counted:g} of {limit:g} credits (monthly_credit_limit) {whose}are spent in "
        f"{now.astimezone(ZoneInfo(zone)):%B %Y}{estimated}{too_much}, so no new run is started; raise the limit in "
        f"tasks.yaml, wait for the next month, or start it all the same: linkt-pipeline run --over-budget "
        f"{intention.task_key}"
    )


_OF_RUN = "lower(run_id) = lower(?)"  # a reply and a list may spell one id in two ways
# Finished, and not given up: the run of a row that was given up is a reject and has no outcome.
_FINISHED = "state = 'finished' and run_id not in (select resource_id from linkt.rejects where resource_type = 'run')"
# The clock may have been set between two runs, so their times alone do not say which one is the latest. An outcome that
# is owed is: a run that ends takes the place of those before it.
_LATEST_FINISHED = f"""
    {_FINISHED}
    order by execution_id in (select execution_id from linkt.undelivered) desc, intended_at desc
"""  # noqa: S608
_COMPLETED_OF = """
    execution_id in (select unnest(?::varchar[]))
    and state = 'finished' and run_id in (select run_id from linkt.runs where status_normalised = 'COMPLETED')
    order by intended_at desc
"""
_OPEN = "state in ('intended', 'unknown', 'started')"
# Error-level checks of the ledger's own tables, with the table that each reads.
_OWN_CHECKS = {
    "executions_key": "executions",
    "undelivered_key": "undelivered",
    "answers_key": "answers",
    "finished_runs_are_landed": "executions",
    "one_open_execution_per_task": "executions",
    "one_execution_per_run": "executions",
}
_COLUMNS = tuple(Execution.__dataclass_fields__)


def _insert(
    con: duckdb.DuckDBPyConnection, intention: Intention, now: datetime, held: Mapping[str, Any] | None = None
) -> str:
    """Write an intention down; ``held`` are the columns of its lease. Returns the id of the new row."""
    row = {
        "execution_id": uuid.uuid4().hex,
        "task_key": intention.task_key,
        "task_id": intention.task_id,
        "icp_id": intention.icp_id,
        "parameters": orjson.dumps(dict(intention.parameters)).decode(),
        "attempt": intention.attempt,
        "state": ExecutionState.INTENDED,
        "dagster_run_id": intention.dagster_run_id,
        "intended_at": now,
        **(held or {}),
    }
    con.execute(
        f"insert into linkt.executions ({', '.join(row)}) values ({', '.join('?' * len(row))})",  # noqa: S608
        list(row.values()),
    )
    return str(row["execution_id"])


def _rows_of(con: duckdb.DuckDBPyConnection, intention: Intention, condition: str) -> list[Execution]:
    """Rows of a task: those under its name or, if there are none, those of the name it had before."""
    own = _select(con, f"task_key = ? and {condition}", [intention.task_key])
    return own or _rows_before_renaming(con, intention, condition)


def _rows_before_renaming(con: duckdb.DuckDBPyConnection, intention: Intention, condition: str) -> list[Execution]:
    """Rows with the very request of a task, under a name that no entry of tasks.yaml has."""
    if intention.entries is None:
        return []
    parameters = orjson.loads(orjson.dumps(dict(intention.parameters)))
    return [
        row
        for row in _select(
            con,
            f"task_id = ? and icp_id is not distinct from ? and {condition}",
            [intention.task_id, intention.icp_id],
        )
        if row.task_key not in intention.entries and row.parameters == parameters
    ]


def _latest_finished(con: duckdb.DuckDBPyConnection, intention: Intention) -> Execution | None:
    """The last execution of a task that has ended; one under another name where that is owed and its own is not."""
    found = [
        *_select(con, f"task_key = ? and {_LATEST_FINISHED}", [intention.task_key])[:1],
        *_rows_before_renaming(con, intention, _LATEST_FINISHED)[:1],
    ]
    owed = {row[0] for row in con.execute("select execution_id from linkt.undelivered").fetchall()}
    return next((row for row in found if row.execution_id in owed), next(iter(found), None))


def _completed(con: duckdb.DuckDBPyConnection, intention: Intention, known: frozenset[str]) -> Execution | None:
    """What answered the question before, if its run has completed; a failed one is worth another."""
    if not known:
        return None
    return next(iter(_select(con, _COMPLETED_OF, [list(known)])), None)


def _is_owed(
    con: duckdb.DuckDBPyConnection, row: Execution, intention: Intention, known: frozenset[str], now: datetime
) -> bool:
    """Whether the task's latest run answers this question, because somebody does not have all of it."""
    of_an_earlier_question = (
        intention.not_before is not None and row.intended_at < intention.not_before and row.execution_id not in known
    )
    if _was_seen(row, intention) or of_an_earlier_question:
        return False
    return is_owed(con, row.execution_id, row.finished_at, now)


def _was_seen(row: Execution, intention: Intention) -> bool:
    """Whether it is the very attempt that this intention follows; a clock that was set tells nothing about that."""
    after = intention.after
    return after is not None and not after.state.is_open and row.execution_id == after.execution_id


def _ended_unseen(con: duckdb.DuckDBPyConnection, intention: Intention) -> Execution | None:
    """What this start has followed, if another process, such as a sync, has landed it since the last look."""
    after = intention.after
    if after is None or not after.state.is_open:
        return None
    # A row that a person gave up has no landed run: it is worth another.
    landed = "execution_id = ? and state = 'finished' and run_id in (select run_id from linkt.runs)"
    return next(iter(_select(con, landed, [after.execution_id])), None)


def _refuse_on_failing_checks(con: duckdb.DuckDBPyConnection, intention: Intention) -> None:
    # The ledger's own alone: those of a million entities take seconds, for which nobody else would get the file. If one
    # of them fails, the run is owed, and repeating the command buys no further one.
    for name, table in _OWN_CHECKS.items():
        if offending := len(con.execute(built_in_check(name)).fetchmany(100)):
            raise BooksDisagreeError(
                f"task {intention.task_key}: check {name} of linkt.{table} fails ({offending} rows), so "
                "nothing that a new run finds could be published, and none is started. `linkt-pipeline ui` shows the "
                "rows, docs/operations.md what to do about them"
            )


def _select(con: duckdb.DuckDBPyConnection, condition: str, parameters: Sequence[Any]) -> list[Execution]:
    rows = con.execute(
        f"select {', '.join(_COLUMNS)} from linkt.executions where {condition}",  # noqa: S608
        parameters,
    ).fetchall()
    return [_execution(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def _execution(row: dict[str, Any]) -> Execution:
    row["parameters"] = orjson.loads(row["parameters"] or "{}")
    row["state"] = ExecutionState(row["state"])
    if row["state"] is ExecutionState.STARTED and not re.fullmatch(WELL_FORMED_ID, row["run_id"] or ""):
        # Written by a version that believed any reply. Nobody can ask for such a run, so its reply was an unclear one.
        unclear = {"state": ExecutionState.UNKNOWN, "run_id": None, "start_confirmed": True}
        row |= unclear | {"last_error": f"not a run id: {row['run_id']!r}"}
    return Execution(**{name: _in_utc(value) for name, value in row.items()})


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _now() -> datetime:
    return datetime.now(UTC)
