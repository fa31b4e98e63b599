"""Builds one model inside the caller's transaction.

Call it in a transaction of its own (``Warehouse.write()``): when it fails the transaction is rolled back and the
table of the last good build is still there, and its siblings can go on.
"""

import time
from dataclasses import dataclass
from enum import StrEnum

import duckdb

from linkt_pipeline.models.columns import relation, table_columns
from linkt_pipeline.models.errors import ModelBuildError
from linkt_pipeline.models.incremental import apply_changes, forget_present, read_present
from linkt_pipeline.models.model import Columns, Materialization, ModelKey, SqlModel
from linkt_pipeline.warehouse.catalog import literal, quoted


class BuildMode(StrEnum):
    """What a build did to the table."""

    VIEW = "view"
    FULL = "full"
    INCREMENTAL = "incremental"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class BuildResult:
    """What building a model did.

    Attributes:
        model: which one.
        mode: how it was done.
        rows: rows the table or view has now.
        written: rows written by this build (0 for a view).
        seconds: wall time.
        columns: names and types as they are now.
    """

    model: ModelKey
    mode: BuildMode
    rows: int
    written: int
    seconds: float
    columns: Columns


def build_model(con: duckdb.DuckDBPyConnection, model: SqlModel, *, full_refresh: bool = False) -> BuildResult:
    """Create or bring up to date a model's view or table, its comments and its entry in ``linkt.model_builds``.

    Args:
        con: a connection inside a transaction of its own; commit keeps the build, rollback the former table.
        model: a model of a loaded graph.
        full_refresh: compute an incremental table anew even if only some keys changed.

    Raises:
        ModelBuildError: DuckDB refused or failed the SQL.
    """
    started = time.perf_counter()
    try:
        con.execute(f"create schema if not exists {quoted(model.schema)}")
        con.execute(
            "create table if not exists linkt.model_builds "
            "(model varchar, code_version varchar, built_at timestamptz, cursor varchar, rows bigint)"
        )
        mode, written, state = _materialize(con, model, full_refresh)
        _write_comments(con, model)
        rows = _count(con, f"select count(*) from {relation(model.key)}")  # noqa: S608
        if mode is not BuildMode.UNCHANGED:
            _record(con, model, state, rows)
        columns = table_columns(con, model.key)
    except duckdb.Error as error:
        raise ModelBuildError(str(model.key), model.path, str(error).strip()) from error
    return BuildResult(model.key, mode, rows, written, time.perf_counter() - started, columns)


def _materialize(
    con: duckdb.DuckDBPyConnection, model: SqlModel, full_refresh: bool
) -> tuple[BuildMode, int, str | None]:
    is_view = model.materialization is Materialization.VIEW
    table = relation(model.key)
    kind = _existing_kind(con, model.key)
    if kind and kind != ("view" if is_view else "table"):
        con.execute(f"drop {kind} {table}")
        kind = None
    if is_view:
        con.execute(f"create or replace view {table} as {model.sql}")
        return BuildMode.VIEW, 0, None
    if model.materialization is Materialization.TABLE:
        return BuildMode.FULL, _count(con, f"create or replace table {table} as {model.sql}"), None

    try:
        return _materialize_incremental(con, model, full_refresh or kind is None)
    finally:
        forget_present(con)


def _materialize_incremental(
    con: duckdb.DuckDBPyConnection, model: SqlModel, full_refresh: bool
) -> tuple[BuildMode, int, str | None]:
    state = read_present(con, model)
    last_version, last_state = _last_build(con, model)
    if full_refresh or last_version != model.build_version or _columns_differ(con, model):
        return BuildMode.FULL, _count(con, f"create or replace table {relation(model.key)} as {model.sql}"), state
    if state == last_state:
        return BuildMode.UNCHANGED, 0, state
    delta = apply_changes(con, model)
    return BuildMode.INCREMENTAL, delta.inserted, state


def _existing_kind(con: duckdb.DuckDBPyConnection, key: ModelKey) -> str | None:
    row = con.execute(
        "select table_type from information_schema.tables "
        "where table_catalog = current_database() and table_schema = $1 and table_name = $2",
        list(key),
    ).fetchone()
    return None if row is None else ("view" if row[0] == "VIEW" else "table")


def _columns_differ(con: duckdb.DuckDBPyConnection, model: SqlModel) -> bool:
    """A column added to a source reaches ``select *`` without any change of code."""
    described = con.execute(f"describe {model.sql}").fetchall()
    return {row[0]: row[1] for row in described} != table_columns(con, model.key)


def _last_build(con: duckdb.DuckDBPyConnection, model: SqlModel) -> tuple[str | None, str | None]:
    row = con.execute(
        "select code_version, cursor from linkt.model_builds where model = $1", [str(model.key)]
    ).fetchone()
    return (row[0], row[1]) if row else (None, None)


def _record(con: duckdb.DuckDBPyConnection, model: SqlModel, state: str | None, rows: int) -> None:
    con.execute("delete from linkt.model_builds where model = $1", [str(model.key)])
    con.execute(
        "insert into linkt.model_builds values ($1, $2, current_timestamp, $3, $4)",
        [str(model.key), model.build_version, state, rows],
    )


def _write_comments(con: duckdb.DuckDBPyConnection, model: SqlModel) -> None:
    """Descriptions into DuckDB's catalog, where BI tools show them; only those that differ."""
    present = con.execute(
        "select column_name, comment from duckdb_columns() "
        "where database_name = current_database() and schema_name = $1 and table_name = $2",
        list(model.key),
    ).fetchall()
    for column, comment in present:
        wanted = model.column_descriptions.get(column)
        if wanted != comment:
            con.execute(f"comment on column {relation(model.key)}.{quoted(column)} is {literal(wanted)}")
    kind = "view" if model.materialization is Materialization.VIEW else "table"
    con.execute(f"comment on {kind} {relation(model.key)} is {literal(f'{model.description} Grain: {model.grain}')}")


def _count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
