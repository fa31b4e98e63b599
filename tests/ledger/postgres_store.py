"""A second store of the ledger, in PostgreSQL: the rules and their SQL may ask nothing that only DuckDB has.

It is for tests. What a deployment that shares its ledger needs besides is not here.

PostgreSQL has the last word: it commits after the warehouse. The warehouse holds a copy of the rows, for what reads
them there, such as checks and the view ``linkt.run_costs``.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC
from typing import Any

import duckdb
import psycopg
from psycopg.types.string import TextLoader

from linkt_pipeline.ledger.rows import LedgerRows
from linkt_pipeline.ledger.store import LedgerStore
from linkt_pipeline.ledger.values import Execution
from linkt_pipeline.warehouse.warehouse import Warehouse

_OPEN = "state in ('intended', 'unknown', 'started')"
_SCHEMA = f"""
create schema if not exists linkt_ledger;
create table if not exists linkt_ledger.turn (taken_by integer);
insert into linkt_ledger.turn select 0 where not exists (select 1 from linkt_ledger.turn);
create table if not exists linkt_ledger.executions (
    execution_id text primary key,
    task_key text not null,
    task_id text not null,
    icp_id text,
    parameters json not null,
    attempt integer not null,
    state text not null,
    run_id text,
    run_status text,
    error_kind text,
    dagster_run_id text,
    intended_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    last_error text,
    lease_owner text,
    lease_until timestamptz,
    clock_offset_seconds double precision,
    start_confirmed boolean,
    expected_credits double precision,
    budget_rest double precision,
    over_budget_by text
);
create unique index if not exists one_open_execution_per_task on linkt_ledger.executions (task_key) where {_OPEN};
create unique index if not exists one_execution_per_run on linkt_ledger.executions (lower(run_id));
create table if not exists linkt_ledger.undelivered (
    execution_id text primary key references linkt_ledger.executions,
    asked_by text,
    published_at timestamptz
);
create table if not exists linkt_ledger.answers (
    question text,
    task_key text,
    execution_id text references linkt_ledger.executions,
    given_at timestamptz not null,
    primary key (question, task_key, execution_id)
);
"""
_COLUMNS = ", ".join(Execution.__dataclass_fields__)
_COPIED = {"executions": _COLUMNS, "undelivered": "execution_id, asked_by, published_at"}


def make_schema(address: str) -> None:
    """Make the tables of a ledger, or make them anew."""
    with psycopg.connect(address) as postgres:
        postgres.execute("drop schema if exists linkt_ledger cascade")
        postgres.execute(_SCHEMA)


class PostgresStore(LedgerStore):
    """The ledger in a database that :func:`make_schema` has prepared."""

    def __init__(self, address: str, warehouse: Warehouse) -> None:
        self.address = address
        self._warehouse = warehouse

    @contextmanager
    def read(self) -> Iterator[LedgerRows]:
        with psycopg.connect(self.address) as postgres, ExitStack() as opened:
            postgres.execute("set transaction isolation level repeatable read, read only")
            yield _PostgresRows(postgres, lambda: opened.enter_context(self._warehouse.read()))

    @contextmanager
    def write(self, *, news: bool = True) -> Iterator[LedgerRows]:
        with psycopg.connect(self.address) as postgres, ExitStack() as opened:
            postgres.execute("select 1 from linkt_ledger.turn for update")
            yield _PostgresRows(postgres, lambda: opened.enter_context(self._copied(postgres, news)))

    @contextmanager
    def _copied(self, postgres: psycopg.Connection, news: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._warehouse.write(news=news) as con:
            _copy(postgres, con)
            yield con
            _copy(postgres, con)


class _PostgresRows(LedgerRows):
    def __init__(self, postgres: psycopg.Connection, open_warehouse: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._postgres = postgres
        self._open_warehouse = open_warehouse
        self._con: duckdb.DuckDBPyConnection | None = None
        postgres.adapters.register_loader("json", TextLoader)
        self.now = self._select("select clock_timestamp()", [])[0][0].astimezone(UTC)

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        if self._con is None:
            self._con = self._open_warehouse()
        return self._con

    def _select(self, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._postgres.execute(_in_postgres(query), parameters).fetchall()

    def _write(self, statement: str, parameters: Sequence[Any]) -> int:
        return self._postgres.execute(_in_postgres(statement), parameters).rowcount


def _in_postgres(statement: str) -> str:
    return statement.replace("?", "%s").replace(" linkt.", " linkt_ledger.")


def _copy(postgres: psycopg.Connection, con: duckdb.DuckDBPyConnection) -> None:
    for table, columns in _COPIED.items():
        con.execute(f"delete from linkt.{table}")
        if rows := postgres.execute(f"select {columns} from linkt_ledger.{table}").fetchall():
            marks = ", ".join("?" * len(rows[0]))
            con.executemany(f"insert into linkt.{table} ({columns}) values ({marks})", rows)
