"""The rows of the ledger within one transaction: typed reads and writes, without any rule.

The SQL is such that every store understands it. A store adds how a statement is run, and where its tables lie.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from typing import Any, TypedDict, cast

import duckdb
import orjson

from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.values import OPEN_STATES, Execution, ExecutionState
from linkt_pipeline.warehouse.ids import WELL_FORMED_ID
from linkt_pipeline.warehouse.tombstones import SaltLostError, read_tombstones, text_without_erased

_COLUMNS = tuple(Execution.__dataclass_fields__)
_ONE_OF = "(select unnest(?::varchar[]))"
_ONE_OF_LOWERED = "(select lower(unnest(?::varchar[])))"
_HELD = "execution_id = ? and lease_owner = ?"
_OWED_FIRST = "case when execution_id in (select execution_id from linkt.undelivered) then 0 else 1 end"


@dataclass(frozen=True)
class Which:
    """Which executions are meant: those that meet every condition given here.

    Attributes:
        execution_ids: they are among these.
        task_key: the entry of tasks.yaml.
        not_task_keys: none of these entries.
        task_id: Linkt's id of the task.
        request: Linkt's ids of the task and of the ICP, if there is one.
        run_ids: their run is among these, however it is spelled.
        not_runs: their run is none of these.
        states: they are in one of these.
        since: they were intended then or later.
        without_run: no run of theirs is known.
    """

    execution_ids: Collection[str] | None = None
    task_key: str | None = None
    not_task_keys: Collection[str] | None = None
    task_id: str | None = None
    request: tuple[str, str | None] | None = None
    run_ids: Collection[str] | None = None
    not_runs: Collection[str] | None = None
    states: Collection[ExecutionState] | None = None
    since: datetime | None = None
    without_run: bool = False

    def condition(self) -> tuple[str, list[Any]]:
        """The condition in SQL, and its parameters."""
        task_id, icp_id = self.request or (None, None)
        parts: list[tuple[bool, str, Sequence[Any]]] = [
            (self.execution_ids is not None, f"execution_id in {_ONE_OF}", [list(self.execution_ids or ())]),
            (self.task_key is not None, "task_key = ?", [self.task_key]),
            (self.not_task_keys is not None, f"task_key not in {_ONE_OF}", [list(self.not_task_keys or ())]),
            (self.task_id is not None, "task_id = ?", [self.task_id]),
            (self.request is not None, "task_id = ? and icp_id is not distinct from ?", [task_id, icp_id]),
            (self.run_ids is not None, f"lower(run_id) in {_ONE_OF_LOWERED}", [list(self.run_ids or ())]),
            (bool(self.not_runs), f"run_id not in {_ONE_OF}", [list(self.not_runs or ())]),
            (self.states is not None, f"state in {_ONE_OF}", [[state.value for state in self.states or ()]]),
            (self.since is not None, "intended_at >= ?", [self.since]),
            (self.without_run, "run_id is null", []),
        ]
        given = [(text, values) for is_given, text, values in parts if is_given]
        return " and ".join(["true", *(text for text, _ in given)]), [value for _, values in given for value in values]


class RowLock(StrEnum):
    """How a transaction keeps others from rows that it has read, until it ends. Where it has all rows, it need not.

    Several locks and not one, because a run that is landed waits for the warehouse, for half a minute or so: meanwhile
    its process must be able to renew its leases, and nobody may take the run over.
    """

    DECIDE = "for update"  # nobody else changes, lands or takes them over
    DECIDE_IF_UNUSED = "for update skip locked"  # the same; rows that others have locked are left out
    RENEW_IF_UNUSED = "for no key update skip locked"  # whoever has the others decides about them or lands them
    KEEP = "for key share"  # nobody else decides about them, but their leases may be renewed


class Changes(TypedDict, total=False):
    """Columns of an execution that are written, with their new values."""

    task_key: str
    parameters: str  # as JSON
    state: ExecutionState
    run_id: str | None
    run_status: str | None
    error_kind: str | None
    started_at: datetime | None
    finished_at: datetime | None
    last_error: str | None
    lease_owner: str | None
    lease_until: datetime | None
    clock_offset_seconds: float
    start_confirmed: bool
    over_budget_by: str


@dataclass(frozen=True)
class Owed:
    """An outcome that was paid for, while the caller who asked does not have all of it yet.

    Attributes:
        asked_by: the caller who gets it; None: the next one who asks.
        published_at: since when everybody can read its rows.
    """

    asked_by: str | None
    published_at: datetime | None


class LedgerRows(ABC):
    """The ledger within one transaction.

    Attributes:
        now: the moment of the transaction, by the clock that all processes of the ledger share.
        asked_at: right before that moment, by :func:`~linkt_pipeline.clock.seconds_since_boot`.
    """

    now: datetime
    asked_at: float

    @property
    @abstractmethod
    def con(self) -> duckdb.DuckDBPyConnection:
        """The warehouse: to be written in :meth:`~linkt_pipeline.ledger.store.LedgerStore.land`, else to be read."""

    @property
    def in_warehouse(self) -> str:
        """What holds the executions as they are now, for queries on :attr:`con`: a relation with their columns."""
        return "linkt.executions"

    @property
    def costs(self) -> str:
        """What ``linkt.run_costs`` shows, for the executions as they are now: a relation for queries on :attr:`con`."""
        return "linkt.run_costs"

    @property
    def clock_ahead(self) -> timedelta:
        """How far the clock of the ledger is ahead of this machine's."""
        return timedelta(0)

    @abstractmethod
    def hold(self, name: str) -> None:
        """Wait until no other transaction holds this name, and hold it until this one ends.

        What decides about rows that may not exist yet holds a name: a row that is not there can't be locked. A name is
        held before rows are locked, and :attr:`now` is not before the moment when it was got.

        Raises:
            WarehouseBusyError: somebody else held it for too long.
        """

    @abstractmethod
    def _locking(self, lock: RowLock) -> str:
        """The end of a query that locks what it reads."""

    @abstractmethod
    def _select(self, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Ask a query with ``?`` for each parameter, and with the ledger's tables in the schema ``linkt``."""

    @abstractmethod
    def _write(self, statement: str, parameters: Sequence[Any]) -> int:
        """Run a statement of the same form that writes. Returns how many rows it wrote."""

    def get(self, execution_id: str) -> Execution:
        """One execution."""
        return self.executions(Which(execution_ids=[execution_id]))[0]

    def executions(
        self,
        which: Which | None = None,
        *,
        owed_and_latest_first: bool = False,
        limit: int | None = None,
        lock: RowLock | None = None,
    ) -> list[Execution]:
        """Executions, oldest first; or those whose outcome is owed, then the others, each latest first."""
        condition, parameters = (which or Which()).condition()
        order = f"{_OWED_FIRST}, intended_at desc" if owed_and_latest_first else "intended_at"
        rows = self._select(
            f"select {', '.join(_COLUMNS)} from linkt.executions where {condition} order by {order}"  # noqa: S608
            + ("" if limit is None else f" limit {limit:d}")
            + ("" if lock is None else f" {self._locking(lock)}"),
            parameters,
        )
        return [_execution(dict(zip(_COLUMNS, row, strict=True))) for row in rows]

    def run_ids(self, task_id: str) -> frozenset[str]:
        """Runs of a Linkt task that executions stand for."""
        rows = self._select("select run_id from linkt.executions where task_id = ? and run_id is not null", [task_id])
        return frozenset(row[0] for row in rows)

    def add(self, execution: Execution) -> None:
        """Write a new execution down."""
        values = {name: getattr(execution, name) for name in _COLUMNS}
        values["parameters"] = orjson.dumps(dict(execution.parameters)).decode()
        self._write(
            f"insert into linkt.executions ({', '.join(values)}) values ({', '.join('?' * len(values))})",  # noqa: S608
            [stored(value) for value in values.values()],
        )

    def change(self, execution_id: str, changes: Changes, *, owner: Owner | None = None) -> bool:
        """Change an execution if ``owner`` holds its lease (None: in any case). Returns whether it was changed."""
        condition, holder = ("execution_id = ?", []) if owner is None else (_HELD, [owner.name])
        if error := changes.get("last_error"):  # Linkt's words may quote what was erased
            changes = {**changes, "last_error": self._without_erased(error)}
        changed = self._write(
            f"update linkt.executions set {', '.join(f'{column} = ?' for column in changes)} "  # noqa: S608
            f"where {condition}",
            [*(stored(value) for value in changes.values()), execution_id, *holder],
        )
        return changed == 1

    def _without_erased(self, text: str) -> str | None:
        try:
            return text_without_erased(read_tombstones(self.con), text)
        except SaltLostError as error:
            # Nobody can tell which words were erased. The rest of the change must be written all the same: a start that
            # Linkt has confirmed is never sent again.
            return str(error)

    def renew(self, owner: Owner, until: datetime) -> frozenset[str]:
        """Extend every lease of an owner, except on rows that another transaction has locked: nobody is waited for.

        Returns:
            The open executions whose lease was extended.
        """
        rows = self._select(
            "select execution_id, state from linkt.executions where lease_owner = ? "  # noqa: S608
            f"{self._locking(RowLock.RENEW_IF_UNUSED)}",
            [owner.name],
        )
        condition, parameters = _among([execution_id for execution_id, _ in rows])
        self._write(f"update linkt.executions set lease_until = ? where {condition}", [until, *parameters])  # noqa: S608
        return frozenset(execution_id for execution_id, state in rows if state in OPEN_STATES)

    def release(self, owner: Owner) -> None:
        """Give up every lease of an owner; each keeps the moment until which the owner can have acted."""
        self._write(
            "update linkt.executions set lease_owner = null, lease_until = least(lease_until, ?) where lease_owner = ?",
            [self.now, owner.name],
        )

    def answers_to(self, questions: Collection[str], task_key: str) -> frozenset[str]:
        """Executions that were given to a question about a task, under any of its names."""
        rows = self._select(
            f"select execution_id from linkt.answers where question in {_ONE_OF} and task_key = ?",  # noqa: S608
            [list(questions), task_key],
        )
        return frozenset(row[0] for row in rows)

    def remember_answer(self, questions: Collection[str], task_key: str, execution_id: str) -> None:
        """Write down the execution that a question got, under each of the question's names that lacks it so far."""
        self._write(
            """
            insert into linkt.answers (question, task_key, execution_id, given_at)
            select asked.name, ?, ?, ? from (select unnest(?::varchar[]) as name) as asked
            where not exists (
                select 1 from linkt.answers as given
                where given.question = asked.name and given.task_key = ? and given.execution_id = ?
            )
            """,
            [task_key, execution_id, self.now, list(questions), task_key, execution_id],
        )

    def owed(self, execution_ids: Collection[str] | None = None, *, lock: RowLock | None = None) -> dict[str, Owed]:
        """Outcomes that are owed, by execution."""
        condition, parameters = ("true", []) if execution_ids is None else _among(execution_ids)
        rows = self._select(
            f"select execution_id, asked_by, published_at from linkt.undelivered where {condition}"  # noqa: S608
            + ("" if lock is None else f" {self._locking(lock)}"),
            parameters,
        )
        return {execution_id: Owed(asked_by, published_at) for execution_id, asked_by, published_at in rows}

    def owe(self, execution_id: str, asked_by: str | None) -> None:
        """Write down that the outcome of an execution is owed."""
        self._write("insert into linkt.undelivered (execution_id, asked_by) values (?, ?)", [execution_id, asked_by])

    def owe_to(self, execution_id: str, asked_by: str) -> None:
        """Somebody else is to have an outcome, if it is owed."""
        self._write("update linkt.undelivered set asked_by = ? where execution_id = ?", [asked_by, execution_id])

    def owe_no_more_of(self, task_key: str) -> None:
        """No outcome of a task is owed any more."""
        self._write(
            "delete from linkt.undelivered where execution_id in "
            "(select execution_id from linkt.executions where task_key = ?)",
            [task_key],
        )

    def owe_no_more_to(self, asked_by: str, execution_ids: Collection[str] | None = None) -> None:
        """Nothing is owed any more to somebody who has asked; of these executions, or of all."""
        condition, parameters = ("true", []) if execution_ids is None else _among(execution_ids)
        self._write(
            f"delete from linkt.undelivered where asked_by = ? and {condition}",  # noqa: S608
            [asked_by, *parameters],
        )

    def note_published(self, execution_ids: Collection[str], moment: datetime) -> None:
        """The rows of these executions can be read by everybody."""
        condition, parameters = _among(execution_ids)
        self._write(
            f"update linkt.undelivered set published_at = ? where published_at is null and {condition}",  # noqa: S608
            [moment, *parameters],
        )


def _among(execution_ids: Collection[str]) -> tuple[str, list[Any]]:
    return f"execution_id in {_ONE_OF}", [list(execution_ids)]


def stored(value: Any) -> Any:
    """A value as every ledger can hold it. PostgreSQL has no NUL in a text, and Linkt's words may hold one."""
    plain = value.value if isinstance(value, Enum) else value
    return plain.replace("\0", "\\x00") if isinstance(plain, str) else plain


def _execution(row: dict[str, Any]) -> Execution:
    row["parameters"] = orjson.loads(row["parameters"] or "{}")
    row["state"] = ExecutionState(row["state"])
    if row["state"] is ExecutionState.STARTED and not re.fullmatch(WELL_FORMED_ID, row["run_id"] or ""):
        # A version that believed any reply wrote this id. Linkt can't be asked for it, so the start counts as unclear.
        unclear = {"state": ExecutionState.UNKNOWN, "run_id": None, "start_confirmed": True}
        row |= unclear | {"last_error": f"not a run id: {row['run_id']!r}"}
    return Execution(**cast(Mapping[str, Any], {name: _in_utc(value) for name, value in row.items()}))


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
