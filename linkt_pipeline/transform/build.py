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
from linkt_pipeline.transform.build_records import LastBuild, new_contents, read_builds, record
from linkt_pipeline.transform.changes import marks_in, state_of_inputs
from linkt_pipeline.transform.columns import relation
from linkt_pipeline.transform.errors import ModelBuildError
from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.incremental import apply_changes, compute_and_record, find_changed_keys
from linkt_pipeline.transform.known import Known
from linkt_pipeline.transform.macro import create_macros
from linkt_pipeline.transform.model import Columns, Materialization, ModelKey, SqlModel
from linkt_pipeline.transform.moments import columns_in_utc, columns_of
from linkt_pipeline.transform.seed import SEEDS_FOLDER
from linkt_pipeline.warehouse.catalog import CatalogTable, quoted

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
    known: Known | None = None,
) -> BuildResult:
    """Create or bring up to date a model's view or table, its comments and its entry in ``linkt.model_builds``.

    Args:
        con: a connection inside a transaction of its own; commit keeps the build, rollback the former table.
        model: a model of a loaded graph.
        full_refresh: compute a table in full, even if none of its inputs has changed.
        known: shared by the builds of a session, so that the warehouse is looked at once for all of them.

    Raises:
        ModelBuildError: DuckDB refused or failed the SQL.
    """
    started = time.perf_counter()
    known = known or Known()
    try:
        done, rows, columns = _build(con, model, known, full_refresh=full_refresh)
    except duckdb.Error as error:
        known.tables.forget()
        raise ModelBuildError(str(model.key), model.path, error) from error
    except BaseException:
        known.tables.forget()
        raise
    seconds = time.perf_counter() - started
    return BuildResult(model.key, done.mode, rows, done.rows, seconds, columns, done.follows)


def _build(
    con: duckdb.DuckDBPyConnection, model: SqlModel, known: Known, *, full_refresh: bool
) -> tuple[_Written, int, Columns]:
    """See :func:`build_model`. Returns what was done, and rows and columns of the table or view."""
    con.execute(f"create schema if not exists {quoted(model.schema)}")
    found = known.tables.find(con, model.key)
    builds = read_builds(con)
    last = builds.last(model)
    version = builds.version_of(model)
    inputs = state_of_inputs(con, model, builds, known.landed)
    if _is_up_to_date(con, model, last, version, inputs, found, full_refresh=full_refresh):
        done, rows = _Written(BuildMode.VIEW if _is_view(model) else BuildMode.UNCHANGED), last.rows or 0
    else:
        done = _materialize(con, model, last, version, inputs, found, full_refresh=full_refresh)
        rows = _count(con, model.header.rows or f"select count(*) from {relation(model.key)}")  # noqa: S608
        # Lineage follows from the code and costs a second for all models, so it is kept while the code is the same.
        lineage = last.lineage if last.version == version else None
        record(con, model, LastBuild(version, inputs, done.contents, rows, lineage))
        if done.mode in (BuildMode.VIEW, BuildMode.FULL):
            known.tables.made(con, model)
    return done, rows, known.tables.describe(con, model)


def _is_up_to_date(
    con: duckdb.DuckDBPyConnection,
    model: SqlModel,
    last: LastBuild,
    version: str,
    inputs: str | None,
    found: CatalogTable | None,
    *,
    full_refresh: bool,
) -> bool:
    """Whether no input has changed since the last build, and nobody has dropped the table or deleted rows."""
    if full_refresh or inputs is None or found is None or found.is_view != _is_view(model):
        return False
    if (last.version, last.inputs) != (version, inputs):
        return False
    return found.is_view or _count(con, f"select count(*) from {relation(model.key)}") == last.rows  # noqa: S608


def _materialize(
    con: duckdb.DuckDBPyConnection,
    model: SqlModel,
    last: LastBuild,
    version: str,
    inputs: str | None,
    found: CatalogTable | None,
    *,
    full_refresh: bool,
) -> _Written:
    table = relation(model.key)
    if found and found.is_view != _is_view(model):
        con.execute(f"drop {'view' if found.is_view else 'table'} {table}")
        found = None
    if found and not found.is_view and _count(con, f"select count(*) from {table}") != last.rows:  # noqa: S608
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
            and not _columns_differ(found, columns)
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
        case _ if (
            found and not full_refresh and last.version == version and _is_comparable(model, last, found, columns)
        ):
            return _replace_rows(con, model, last, columns)
        case _:
            return _Written(BuildMode.FULL, _count(con, create_statement(model, columns)), new_contents())


def _is_comparable(model: SqlModel, last: LastBuild, found: CatalogTable | None, columns: Columns) -> bool:
    """Whether the model records its changes, and its table has these columns and few enough rows to hold them twice."""
    return (
        found is not None
        and bool(model.header.tells)
        and last.contents is not None
        and (last.rows or 0) <= _COMPARABLE_ROWS
        and not _columns_differ(found, columns)
    )


def _replace_rows(con: duckdb.DuckDBPyConnection, model: SqlModel, last: LastBuild, columns: Columns) -> _Written:
    """Compute a table in full and record which rows have changed."""
    contents = new_contents()
    rows = compute_and_record(con, model, columns, last.contents or "", contents)
    if rows is None:
        return _Written(BuildMode.UNCHANGED, 0, last.contents)
    return _Written(BuildMode.FULL, rows, contents)


def _is_view(model: SqlModel) -> bool:
    return model.materialization is Materialization.VIEW


def _columns_differ(found: CatalogTable, columns: Columns) -> bool:
    """A column added to a source reaches ``select *`` without any change of code."""
    return columns_in_utc(columns) != {column.name: column.type for column in found.columns}


def _count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
