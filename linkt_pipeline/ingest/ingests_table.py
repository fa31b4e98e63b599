"""The record of ingests: one row of ``linkt.ingests`` per file and task, written before each request and after it.

A file is known by its SHA-256 (``source``). While its row is open (anything but ``finished`` and ``failed``), the next
ingest of the same file goes on where the last one stopped. A finished row is the answer to the same question, unless
somebody says *again*; even then the file that Linkt has is used again, whatever task it was uploaded for.

The ledger (``linkt.executions``) buys the run, as it buys every run. A row here names its execution as soon as the
execution is claimed, before the task is changed for it.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import orjson

from linkt_pipeline.api import same_id
from linkt_pipeline.ingest.errors import IngestBusyError, RunUnclearError
from linkt_pipeline.ingest.record import Ingest, IngestState
from linkt_pipeline.ingest.source import Source
from linkt_pipeline.ledger.lease_owner import Owner, describe_owner
from linkt_pipeline.ledger.leases import is_free
from linkt_pipeline.ledger.ledger import Ledger
from linkt_pipeline.ledger.rows import LedgerRows, Which
from linkt_pipeline.ledger.values import OPEN_STATES, ExecutionState
from linkt_pipeline.warehouse.landing import is_erased_row
from linkt_pipeline.warehouse.tombstones import ERASED, read_tombstones, text_without_erased
from linkt_pipeline.warehouse.warehouse import Warehouse

LEASE = timedelta(minutes=10)  # renewed by every write; longer than one request takes


_COLUMNS = tuple(Ingest.__dataclass_fields__)
_JSON = ("task_before", "task_config")
_TEXTS = ("file_name", "last_error")  # may quote the file


class IngestsTable:
    """The rows of ``linkt.ingests``. Every call is durable when it returns. All times are of the ledger's clock."""

    def __init__(self, warehouse: Warehouse, ledger: Ledger, owner: Owner) -> None:
        self._warehouse = warehouse
        self._ledger = ledger
        self._owner = owner

    def claim(self, task_key: str, task_id: str, source: Source, primary_column: str, *, again: bool = False) -> Ingest:
        """The row of this file and task: the open one, the one that ended, or a new one.

        A row that ended is returned as it is, unless ``again``. Until its execution is claimed, an open row takes the
        primary column that this call names.

        Raises:
            IngestBusyError: a living process works on the same file.
        """
        with self._ledger.land() as rows:
            con, now = rows.con, rows.now
            known = _select(
                con, "file_sha256 = ? and lower(task_id) = lower(?) order by intended_at desc", [source.sha256, task_id]
            )
            newest = known[0] if known else None
            if newest is None or (again and not newest.state.is_open):
                return self._insert(con, now, task_key, task_id, source, primary_column)
            if not newest.state.is_open:
                return newest
            self._require_free(newest, now)
            changes = self._lease(now) | {"task_key": task_key, "file_name": source.name}
            # Once a run may have been bought, its rows are those of the column that it was bought with.
            if newest.execution_id is None and newest.primary_column != primary_column:
                changes |= {"primary_column": primary_column}
                _write_rows(con, newest.ingest_id, source, primary_column)
            return _assign(con, newest.ingest_id, changes)

    def update(self, ingest: Ingest, **changes: Any) -> Ingest:
        """Write what is known now.

        Raises:
            IngestBusyError: another process has taken the row over.
        """
        with self._ledger.land() as rows:
            (current,) = _select(rows.con, "ingest_id = ?", [ingest.ingest_id])
            if current.lease_owner != self._owner.name:
                self._require_free(current, rows.now)
            return _assign(rows.con, ingest.ingest_id, self._lease(rows.now) | changes)

    def uploaded(self, ingest: Ingest, file_id: str) -> Ingest:
        """Linkt has the file: remember its id before anything else happens."""
        return self.update(
            ingest, state=IngestState.UPLOADED, file_id=file_id, uploaded_at=self._ledger.now(), last_error=None
        )

    def fail(self, ingest: Ingest, why: str) -> Ingest:
        """Linkt can't use the file, whatever is tried: the row is closed."""
        return self.update(ingest, state=IngestState.FAILED, finished_at=self._ledger.now(), last_error=why)

    def get(self, ingest: Ingest) -> Ingest:
        """The row as it is now."""
        with self._warehouse.read() as con:
            return _select(con, "ingest_id = ?", [ingest.ingest_id])[0]

    def execution_of(self, ingest: Ingest, named_now: str | None, *, again: bool = False) -> str | None:
        """The execution that bought the run of a file, or may have bought it; None if there is none.

        This is the execution that the row names. If that one left no run, it is an execution that was started later,
        while the task still named the file (``linkt-pipeline run`` after this process was killed). From then on the row
        names that execution.

        Args:
            ingest: the row.
            named_now: the file that the task names now.
            again: a run that may be of this file or of another one does not count as the run of this file.

        Raises:
            RunUnclearError: a run may be of this file or of another one, because somebody else has set the task to
                another file meanwhile.
        """
        with self._ledger.land() as rows:
            (row,) = _select(rows.con, "ingest_id = ?", [ingest.ingest_id])
            execution_id = _standing_execution(rows, row, named_now, again=again)
            if execution_id is not None and execution_id != row.execution_id:
                _assign(rows.con, row.ingest_id, {"execution_id": execution_id})
            return execution_id

    def erased_lines(self, source: Source) -> list[int]:
        """The lines of a file that hold what was erased here."""
        with self._warehouse.read() as con:
            tombstones = read_tombstones(con)
        return [
            line for line, row in zip(source.lines, source.records(), strict=True) if is_erased_row(tombstones, row)
        ]

    def finish(
        self, ingest: Ingest, source: Source, run_id: str | None, candidates: Sequence[Mapping[str, Any]] | None
    ) -> Ingest:
        """The run of a file is landed: keep what its queue said, and close the row, in one transaction.

        Args:
            ingest: the row.
            source: its file.
            run_id: of the run; None if its execution has none.
            candidates: items of the queue; None if it could not be read, so what is kept of it stays.
        """
        with self._ledger.land() as rows:
            con, now = rows.con, rows.now
            if run_id is not None and candidates is not None:
                con.execute("delete from linkt.run_candidates where run_id = ?", [run_id])
                name_of = _names_without_erased(con, source, ingest.primary_column)
                _insert_many(
                    con,
                    "insert into linkt.run_candidates (run_id, position, name, state, reason, observed_at) "
                    "select unnest(?::varchar[]), unnest(?::bigint[]), unnest(?::varchar[]), unnest(?::varchar[]), "
                    "unnest(?::varchar[]), unnest(?::timestamptz[])",
                    [
                        (run_id, place, name_of(item.get("name")), item.get("state"), name_of(item.get("reason")), now)
                        for place, item in enumerate(candidates)
                    ],
                )
            changes = {"state": IngestState.FINISHED, "finished_at": now, "last_error": None}
            return _assign(con, ingest.ingest_id, changes | {"lease_owner": None, "lease_until": None})

    def release(self) -> None:
        """Give up every lease of this process."""
        with self._warehouse.write(news=False) as con:
            con.execute(
                "update linkt.ingests set lease_owner = null, lease_until = null where lease_owner = ?",
                [self._owner.name],
            )

    def _insert(
        self,
        con: duckdb.DuckDBPyConnection,
        now: datetime,
        task_key: str,
        task_id: str,
        source: Source,
        primary_column: str,
    ) -> Ingest:
        ingest_id = uuid.uuid4().hex
        # Nobody can delete a file at Linkt, so the same bytes are used again, for whichever task they were uploaded.
        at_linkt = _select(
            con,
            "file_sha256 = ? and file_id is not null "
            "and file_id not in (select file_id from linkt.ingests where state = 'failed' and file_id is not null) "
            "order by uploaded_at desc",
            [source.sha256],
        )[:1]
        row = self._lease(now) | {
            "ingest_id": ingest_id,
            "task_key": task_key,
            "task_id": task_id,
            "file_name": text_without_erased(read_tombstones(con), source.name),
            "file_sha256": source.sha256,
            "file_bytes": len(source.content),
            "file_rows": len(source.rows),
            "primary_column": primary_column,
            "state": IngestState.UPLOADED if at_linkt else IngestState.INTENDED,
            "intended_at": now,
        }
        if at_linkt:
            row |= {"file_id": at_linkt[0].file_id, "upload_name": at_linkt[0].upload_name}
            row |= {"uploaded_at": row["intended_at"]}
        con.execute(
            f"insert into linkt.ingests ({', '.join(row)}) values ({', '.join('?' * len(row))})",  # noqa: S608
            list(row.values()),
        )
        _write_rows(con, ingest_id, source, primary_column)
        return _select(con, "ingest_id = ?", [ingest_id])[0]

    def _lease(self, now: datetime) -> dict[str, Any]:
        return {"lease_owner": self._owner.name, "lease_until": now + LEASE}

    def _require_free(self, row: Ingest, now: datetime) -> None:
        if row.lease_owner != self._owner.name and not is_free(row, now):
            raise IngestBusyError(
                f"another process ({describe_owner(row.lease_owner)}) is ingesting {row.file_name} for task "
                f"{row.task_key}; let it end. If it is killed, the next ingest of the file goes on where it stopped"
            )


def _standing_execution(rows: LedgerRows, row: Ingest, named_now: str | None, *, again: bool) -> str | None:
    """The execution that a row names, if it left a run or may have; else the latest one that may be of its file."""
    stands = Which(states=[*OPEN_STATES, ExecutionState.FINISHED])
    if row.execution_id and rows.executions(replace(stands, execution_ids=[row.execution_id])):
        return row.execution_id
    if row.configured_at is None:
        return None
    others = _select(rows.con, "lower(task_id) = lower(?) and ingest_id <> ?", [row.task_id, row.ingest_id])
    taken = {other.execution_id for other in others}
    # A run reads the file that its task names at the start: it is of the file that was set last before it.
    after = [other for other in others if other.configured_at and other.configured_at >= row.configured_at]
    next_ingest = min(after, key=lambda other: other.configured_at or row.intended_at, default=None)
    next_file = next_ingest.configured_at if next_ingest else None
    later = rows.executions(replace(stands, since=row.configured_at))
    of_file = [
        execution.execution_id
        for execution in later
        if same_id(execution.task_id, row.task_id)
        and execution.intended_at > row.configured_at
        and (next_file is None or execution.intended_at < next_file)
        and execution.execution_id not in taken
    ]
    named = named_now if next_ingest is None else _file_of(next_ingest.task_before)
    if of_file and named != row.file_id:
        if again:
            return None
        raise RunUnclearError(
            f"task {row.task_key}: a run of it (execution {of_file[-1]}) was started after {row.file_name} had been "
            "set, and somebody else has set another file since. It is unclear which of the two files the run used, so "
            "nothing was bought. If it did not use this file, --again buys a run"
        )
    return next(reversed(of_file), None)


def _file_of(task: Mapping[str, Any] | None) -> str | None:
    """The file that a task named when it was looked at."""
    file_id = ((task or {}).get("task_config") or {}).get("file_id")
    return None if file_id is None else str(file_id)


def _write_rows(con: duckdb.DuckDBPyConnection, ingest_id: str, source: Source, primary_column: str) -> None:
    """Keep the rows of a file; one that holds what was erased is kept as an empty one, because rows are counted."""
    con.execute("delete from linkt.ingest_rows where ingest_id = ?", [ingest_id])
    tombstones = read_tombstones(con)
    written = []
    for number, (value, row) in enumerate(zip(source.values(primary_column), source.records(), strict=True), 1):
        kept = (ERASED, "{}") if is_erased_row(tombstones, row) else (value, orjson.dumps(row).decode())
        written.append((ingest_id, number, *kept))
    _insert_many(
        con,
        "insert into linkt.ingest_rows (ingest_id, row_number, primary_value, data) "
        "select unnest(?::varchar[]), unnest(?::bigint[]), unnest(?::varchar[]), unnest(?::varchar[])::json",
        written,
    )


def _names_without_erased(
    con: duckdb.DuckDBPyConnection, source: Source, primary_column: str
) -> Callable[[str | None], str | None]:
    """How a text of a run's queue is kept: without the names of rows, and without words, that were erased."""
    tombstones = read_tombstones(con)
    named = zip(source.values(primary_column), source.records(), strict=True)
    names = {value.casefold() for value, row in named if is_erased_row(tombstones, row)}

    def without(text: str | None) -> str | None:
        is_name = text is not None and text.strip().casefold() in names
        return ERASED if is_name else text_without_erased(tombstones, text)

    return without


def _insert_many(con: duckdb.DuckDBPyConnection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert all rows by one statement, with their columns as lists: far faster than a statement for each row."""
    if rows:
        con.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def _assign(con: duckdb.DuckDBPyConnection, ingest_id: str, changes: Mapping[str, Any]) -> Ingest:
    if texts := {name: text for name, text in changes.items() if name in _TEXTS and text}:
        tombstones = read_tombstones(con)
        changes = {**changes, **{name: text_without_erased(tombstones, text) for name, text in texts.items()}}
    values = [orjson.dumps(dict(v)).decode() if k in _JSON and v is not None else v for k, v in changes.items()]
    con.execute(
        f"update linkt.ingests set {', '.join(f'{name} = ?' for name in changes)} where ingest_id = ?",  # noqa: S608
        [*values, ingest_id],
    )
    return _select(con, "ingest_id = ?", [ingest_id])[0]


def _select(con: duckdb.DuckDBPyConnection, condition: str, parameters: Sequence[Any]) -> list[Ingest]:
    rows = con.execute(
        f"select {', '.join(_COLUMNS)} from linkt.ingests where {condition}",  # noqa: S608
        parameters,
    ).fetchall()
    return [_ingest(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def _ingest(row: dict[str, Any]) -> Ingest:
    row["state"] = IngestState(row["state"])
    row |= {name: orjson.loads(row[name]) if row[name] else None for name in _JSON}
    in_utc = {name: value.astimezone(UTC) for name, value in row.items() if isinstance(value, datetime)}
    values: dict[str, Any] = row | in_utc
    return Ingest(**values)
