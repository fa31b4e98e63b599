"""The ledger on its way from a warehouse file to PostgreSQL, or back: every row of every table, as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import orjson
import psycopg
from psycopg import sql
from psycopg.types.string import TextLoader

from linkt_pipeline.ledger.lease_owner import describe_owner
from linkt_pipeline.ledger.leases import is_free
from linkt_pipeline.ledger.postgres_store import hold_claims
from linkt_pipeline.ledger.rows import stored
from linkt_pipeline.ledger.values import OPEN_STATES
from linkt_pipeline.warehouse.catalog import quoted
from linkt_pipeline.warehouse.tables import ANSWERS, EXECUTIONS, UNDELIVERED

_TABLES = (EXECUTIONS, UNDELIVERED, ANSWERS)  # rows of the others name rows of the first
_CHUNK = 5_000
_STATE = [column.name for column in EXECUTIONS.columns].index("state")

RELATIONS = frozenset(table.relation for table in _TABLES)
LedgerCopy = Mapping[str, Sequence[tuple[Any, ...]]]
"""Rows by the name of their table, in an order of their own; columns are those of the warehouse's tables."""


@dataclass(frozen=True)
class _Leased:
    lease_owner: str | None
    lease_until: datetime | None


def read_from_file(con: duckdb.DuckDBPyConnection, database: str) -> LedgerCopy:
    """The ledger of a warehouse file that is attached as ``database``; texts as PostgreSQL can hold them."""
    return {
        table.name: _in_order(
            con.execute(f"select {_names(table.columns)} from {database}.{table.relation}").fetchall()  # noqa: S608
        )
        for table in _TABLES
    }


def read_from_postgres(postgres: psycopg.Connection) -> LedgerCopy:
    """The ledger of a connection whose search path is its schema."""
    postgres.adapters.register_loader("json", TextLoader)
    copied = {}
    for table in _TABLES:
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
        query = sql.SQL("select {} from {}").format(names, sql.Identifier(table.name))
        copied[table.name] = _in_order(postgres.execute(query).fetchall())
    return copied


def write_to_postgres(postgres: psycopg.Connection, ledger: LedgerCopy) -> None:
    """Replace the ledger, in the caller's transaction. What is closed is noted as mirrored: the lake has the rows."""
    for table in reversed(_TABLES):
        postgres.execute(sql.SQL("delete from {}").format(sql.Identifier(table.name)))
    for table in _TABLES:
        names, more = _names(table.columns), ", mirrored" if table is EXECUTIONS else ""
        statement = sql.SQL(f"copy {{}} ({names}{more}) from stdin").format(sql.Identifier(table.name))
        with postgres.cursor() as cursor, cursor.copy(statement) as copy:
            for row in ledger[table.name]:
                copy.write_row([*row, row[_STATE] not in OPEN_STATES] if more else row)


def write_to_file(con: duckdb.DuckDBPyConnection, database: str, ledger: LedgerCopy) -> None:
    """Replace the ledger of a warehouse file that is attached as ``database``, in a transaction of its own.

    DuckDB writes to one database in a transaction, so the caller has none.
    """
    con.execute("begin transaction")
    for table in _TABLES:
        target, names = f"{database}.{table.relation}", [column.name for column in table.columns]
        values = ", ".join(f"value.{column.name}::{column.type}" for column in table.columns)
        shape = orjson.dumps([dict.fromkeys(names, "VARCHAR")]).decode()
        con.execute(f"delete from {target}")  # noqa: S608
        rows = ledger[table.name]
        for start in range(0, len(rows), _CHUNK):
            given = [dict(zip(names, row, strict=True)) for row in rows[start : start + _CHUNK]]
            con.execute(
                f"insert into {target} ({_names(table.columns)}) "  # noqa: S608
                f"select {values} from (select unnest(from_json($1, $2)) as value)",
                [orjson.dumps(given).decode(), shape],
            )
    con.execute("commit")


def hold_ledger(postgres: psycopg.Connection) -> None:
    """In a transaction: nobody writes the ledger until it ends, and those who are writing now are waited for.

    Raises:
        psycopg.errors.LockNotAvailable: somebody writes for longer than the connection's lock timeout.
    """
    hold_claims(postgres)
    for table in _TABLES:
        postgres.execute(sql.SQL("lock table {} in exclusive mode").format(sql.Identifier(table.name)))


def leases_of(ledger: LedgerCopy) -> list[tuple[str | None, datetime | None]]:
    """Owner and end of the lease of each execution."""
    names = [column.name for column in EXECUTIONS.columns]
    owner, until = names.index("lease_owner"), names.index("lease_until")
    return [(row[owner], row[until]) for row in ledger[EXECUTIONS.name]]


def living_owners(leases: Sequence[tuple[str | None, datetime | None]], now: datetime) -> list[str]:
    """The processes that hold a live lease, for people."""
    return sorted({describe_owner(owner) for owner, until in leases if not is_free(_Leased(owner, until), now)})


def open_executions(ledger: LedgerCopy) -> int:
    """How many executions are open."""
    return sum(row[_STATE] in OPEN_STATES for row in ledger[EXECUTIONS.name])


def count_of(ledger: LedgerCopy) -> int:
    """How many executions there are."""
    return len(ledger[EXECUTIONS.name])


def _names(columns: Sequence[Any]) -> str:
    return ", ".join(quoted(column.name) for column in columns)


def _in_order(rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    found = [
        tuple(value.astimezone(UTC) if isinstance(value, datetime) else stored(value) for value in row) for row in rows
    ]
    return sorted(found, key=repr)
