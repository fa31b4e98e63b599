"""Builds one model inside the caller's transaction.

Call it in a transaction of its own (``Warehouse.write()``). If the build fails, the transaction is rolled back, the
table of the last good build is still there, and the other models can be built.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

import duckdb

from linkt_pipeline.transform.binding import create_statement
from linkt_pipeline.transform.build_records import LastBuild, last_build, new_contents, record, version_of
from linkt_pipeline.transform.changes import LandedTables, marks_in, state_of_inputs
from linkt_pipeline.transform.columns import relation, table_columns
from linkt_pipeline.transform.errors import ModelBuildError
from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.incremental import apply_changes, compute_and_record, find_changed_keys
from linkt_pipeline.transform.macro import create_macros
from linkt_pipeline.transform.model import Columns, Materialization, ModelKey, SqlModel
from linkt_pipeline.transform.moments import columns_in_utc, columns_of
from linkt_pipeline.transform.seed import SEEDS_FOLDER
from linkt_pipeline.warehouse.catalog import CatalogColumn, CatalogTable, describe, quoted

# A comparison holds the old and the new rows of a table at the same time.
_COMPARABLE_ROWS = 1_000_000


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
        follows: of an incremental build that put in no row against ``unique`` and ``not_null``, the mark of the rows
            before it; None for every other.
    """

    model: ModelKey
    mode: BuildMode
    rows: int
    written: int
    seconds: float
    columns: Columns
    follows: str | None = None


@dataclass(frozen=True)
class _Written:
    """What was done to the rows: see :class:`BuildResult`, and the new mark of the rows (see build_records.py)."""

    mode: BuildMode
    rows: int = 0
    contents: str | None = None
    follows: str | None = None


@dataclass(frozen=True)
class _Found:
    """What is in the warehouse under a model's name: a ``table`` or a ``view``, with its comment."""

    kind: str
    comment: str | None


def prepare_builds(con: duckdb.DuckDBPyConnection, graph: ModelGraph, wanted: Collection[SqlModel]) -> None:
    """Bring the macros up to date, and the seeds that models of ``wanted`` read without being built among them.

    A seed comes from a file and costs nothing, so a model never fails because its seed was not selected.

    Args:
        con: a connection inside a transaction.
        graph: all models.
        wanted: those about to be built.

    Raises:
        ModelError: a macro or a seed can't be used.
    """
    create_macros(con, graph.macros.values(), keep=graph.quarantined_macros)
    chosen = {model.key for model in wanted}
    read = {key for model in wanted for key in model.depends_on}
    for key in sorted(read - chosen):
        if key.schema == SEEDS_FOLDER and key in graph.models:
            build_model(con, graph.models[key])


def build_model(
    con: duckdb.DuckDBPyConnection,
    model: SqlModel,
    *,
    full_refresh: bool = False,
    landed: LandedTables | None = None,
) -> BuildResult:
    """Create or bring up to date a model's view or table, its comments and its entry in ``linkt.model_builds``.

    Args:
        con: a connection inside a transaction of its own; commit keeps the build, rollback the former table.
        model: a model of a loaded graph.
        full_refresh: compute a table in full, even if none of its inputs has changed.
        landed: shared by the builds of a session, so that landed tables are looked at once for all of them.

    Raises:
        ModelBuildError: DuckDB refused or failed the SQL.
    """
    started = time.perf_counter()
    try:
        con.execute(f"create schema if not exists {quoted(model.schema)}")
        found = _existing(con, model.key)
        last = last_build(con, model)
        version = version_of(con, model)
        inputs = state_of_inputs(con, model, landed or LandedTables())
        comment = found.comment if found else None
        if _is_up_to_date(con, model, last, version, inputs, found, full_refresh=full_refresh):
            is_view = model.materialization is Materialization.VIEW
            done, rows = _Written(BuildMode.VIEW if is_view else BuildMode.UNCHANGED), last.rows or 0
        else:
            done = _materialize(con, model, last, version, inputs, found, full_refresh=full_refresh)
            rows = _count(con, model.header.rows or f"select count(*) from {relation(model.key)}")  # noqa: S608
            # Lineage follows from the code and costs a second for all models, so it is kept while the code is the same.
            lineage = last.lineage if last.version == version else None
            record(con, model, LastBuild(version, inputs, done.contents, rows, lineage))
            if done.mode in (BuildMode.VIEW, BuildMode.FULL):
                comment = None  # a table or view that is made again has no comment
        columns = _describe(con, model, comment)
    except duckdb.Error as error:
        raise ModelBuildError(str(model.key), model.path, error) from error
    seconds = time.perf_counter() - started
    return BuildResult(model.key, done.mode, rows, done.rows, seconds, columns, done.follows)


def _is_up_to_date(
    con: duckdb.DuckDBPyConnection,
    model: SqlModel,
    last: LastBuild,
    version: str,
    inputs: str | None,
    found: _Found | None,
    *,
    full_refresh: bool,
) -> bool:
    """Whether no input has changed since the last build, and nobody has dropped the table or deleted rows."""
    if full_refresh or inputs is None or found is None or found.kind != _kind(model):
        return False
    if (last.version, last.inputs) != (version, inputs):
        return False
    return found.kind == "view" or _count(con, f"select count(*) from {relation(model.key)}") == last.rows  # noqa: S608


def _materialize(
    con: duckdb.DuckDBPyConnection,
    model: SqlModel,
    last: LastBuild,
    version: str,
    inputs: str | None,
    found: _Found | None,
    *,
    full_refresh: bool,
) -> _Written:
    table = relation(model.key)
    if found and found.kind != _kind(model):
        con.execute(f"drop {found.kind} {table}")
        found = None
    if found and found.kind == "table" and _count(con, f"select count(*) from {table}") != last.rows:  # noqa: S608
        # Somebody deleted or inserted rows by hand. Which rows is not known, so the changes can't be derived.
        last = replace(last, contents=None)
    columns = columns_of(con, model.sql)
    match model.materialization:
        case Materialization.VIEW:
            con.execute(create_statement(model, columns))
            return _Written(BuildMode.VIEW)
        case Materialization.INCREMENTAL if (
            found
            and not full_refresh
            and last.version == version
            and not _columns_differ(con, model, columns)
            and find_changed_keys(
                con, model, columns, marks_in(last.inputs), marks_in(inputs), is_whole=last.contents is not None
            )
        ):
            contents = new_contents()
            delta = apply_changes(con, model, columns, last.contents, contents)
            if not (delta.deleted or delta.inserted):
                # No row was written, so the mark stays true. After a change by hand there is none: the table gets one.
                return _Written(BuildMode.UNCHANGED, 0, last.contents or contents)
            follows = last.contents if delta.keeps_keys else None
            return _Written(BuildMode.INCREMENTAL, delta.inserted, contents, follows)
        case _ if found and not full_refresh and last.version == version and _is_comparable(con, model, last, columns):
            return _replace_rows(con, model, last, columns)
        case _:
            return _Written(BuildMode.FULL, _count(con, create_statement(model, columns)), new_contents())


def _is_comparable(con: duckdb.DuckDBPyConnection, model: SqlModel, last: LastBuild, columns: Columns) -> bool:
    """Whether the model records its changes, has the same columns, and has few enough rows to hold old and new ones."""
    return (
        bool(model.header.tells)
        and last.contents is not None
        and (last.rows or 0) <= _COMPARABLE_ROWS
        and not _columns_differ(con, model, columns)
    )


def _replace_rows(con: duckdb.DuckDBPyConnection, model: SqlModel, last: LastBuild, columns: Columns) -> _Written:
    """Compute a table in full and record which rows have changed."""
    contents = new_contents()
    rows = compute_and_record(con, model, columns, last.contents or "", contents)
    if rows is None:
        return _Written(BuildMode.UNCHANGED, 0, last.contents)
    return _Written(BuildMode.FULL, rows, contents)


def _existing(con: duckdb.DuckDBPyConnection, key: ModelKey) -> _Found | None:
    row = con.execute(
        "select 'table', comment from duckdb_tables() "
        "where database_name = current_database() and schema_name = $1 and table_name = $2 "
        "union all select 'view', comment from duckdb_views() "
        "where database_name = current_database() and schema_name = $1 and view_name = $2",
        list(key),
    ).fetchone()
    return _Found(*row) if row else None


def _kind(model: SqlModel) -> str:
    return "view" if model.materialization is Materialization.VIEW else "table"


def _columns_differ(con: duckdb.DuckDBPyConnection, model: SqlModel, columns: Columns) -> bool:
    """A column added to a source reaches ``select *`` without any change of code."""
    return columns_in_utc(columns) != table_columns(con, model.key)


def _describe(con: duckdb.DuckDBPyConnection, model: SqlModel, comment: str | None) -> Columns:
    """Descriptions into DuckDB's catalog, where BI tools show them; only those that differ. Returns the columns."""
    present = con.execute(
        "select column_name, data_type, comment from duckdb_columns() "
        "where database_name = current_database() and schema_name = $1 and table_name = $2 order by column_index",
        list(model.key),
    ).fetchall()
    found = CatalogTable(
        *model.key, _kind(model) == "view", comment, tuple(CatalogColumn(*column) for column in present)
    )
    describe(con, found, f"{model.description} Grain: {model.grain}", model.column_descriptions)
    return {column: data_type for column, data_type, _ in present}


def _count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
