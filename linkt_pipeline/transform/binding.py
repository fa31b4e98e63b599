"""Tries every model on empty tables: DuckDB refuses a model here if and only if it would refuse it in the build.

Both create a model by the same statement, in a database of the same name and settings. Here nothing is read and nothing
is computed, so a model takes a few milliseconds.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

import duckdb

from linkt_pipeline.transform.columns import relation
from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.incremental import bind_narrowed
from linkt_pipeline.transform.macro import create_macros
from linkt_pipeline.transform.model import Columns, Materialization, ModelKey, Reference, SqlModel
from linkt_pipeline.transform.moments import columns_in_utc, columns_of, has_moments, in_utc
from linkt_pipeline.transform.names import did_you_mean
from linkt_pipeline.warehouse.catalog import quoted
from linkt_pipeline.warehouse.running_duckdb import memory_warehouse


def create_statement(model: SqlModel, columns: Columns) -> str:
    """The statement that makes a model's view or table in place of the last one.

    Args:
        model: the model.
        columns: those of its SELECT as it is written.
    """
    kind = "view" if model.materialization is Materialization.VIEW else "table"
    # The SELECT begins on the first line, so that the lines in DuckDB's errors are those of the file.
    return f"create or replace {kind} {relation(model.key)} as {in_utc(model.sql, columns)}"


def describe_models(graph: ModelGraph) -> dict[ModelKey, Columns]:
    """Columns of every model, found by binding its SQL to empty tables in memory; nothing is read.

    Raises:
        ModelFileError: a model names a column or function that does not exist; with file and line.
    """
    described, problems = try_describe(graph)
    if problems:
        raise next(iter(problems.values()))
    return described


@lru_cache(maxsize=4)
def try_describe(graph: ModelGraph) -> tuple[dict[ModelKey, Columns], dict[ModelKey, ModelFileError]]:
    """As :func:`describe_models`, but collects the problems; models that read a bad model are in neither result."""
    with empty_tables(graph) as con:
        return bind_models(con, graph)


@contextmanager
def empty_tables(graph: ModelGraph) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with the macros of a graph and its sources, without a row."""
    con = open_scratch(graph)
    try:
        for schema in sorted({key.schema for key in graph.sources}):
            con.execute(f"create schema if not exists {quoted(schema)}")
        for key, columns in graph.sources.items():
            definition = ", ".join(f"{quoted(name)} {data_type}" for name, data_type in columns.items())
            con.execute(f"create table {relation(key)} ({definition})")
        yield con
    finally:
        con.close()


def open_scratch(graph: ModelGraph) -> duckdb.DuckDBPyConnection:
    """A database in memory that has the macros and nothing else; for the caller to close.

    Raises:
        ModelFileError: DuckDB refuses a macro.
    """
    con = memory_warehouse()
    try:
        create_macros(con, graph.macros.values())
    except BaseException:
        con.close()
        raise
    return con


def bind_models(
    con: duckdb.DuckDBPyConnection, graph: ModelGraph
) -> tuple[dict[ModelKey, Columns], dict[ModelKey, ModelFileError]]:
    """Create every model without rows; see :func:`try_describe`."""
    described: dict[ModelKey, Columns] = {}
    problems: dict[ModelKey, ModelFileError] = {}
    for key, model in graph.models.items():
        # A model that lacks its parent would only repeat the parent's problem.
        if any(parent in graph.models and parent not in described for parent in model.depends_on):
            continue
        con.execute(f"create schema if not exists {quoted(key.schema)}")
        try:
            written = _create_empty(con, model)
            columns = columns_in_utc(written)
            known = {**graph.sources, **described, key: columns}
            _require_described_columns(model, columns)
            _require_header_sql_binds(con, model, known)
            _require_referenced_columns(model, known)
            if model.materialization is Materialization.INCREMENTAL:
                bind_narrowed(con, model, written)
            described[key] = columns
        except duckdb.Error as error:
            problems[key] = file_error(model, error)
        except ModelFileError as error:
            problems[key] = error
    return described, problems


def file_error(model: SqlModel, error: duckdb.Error) -> ModelFileError:
    """DuckDB's error about a model's SQL, with the line of the file."""
    text = str(error)
    _, marker, rest = text.partition("\nLINE ")
    line = int(rest.split(":", 1)[0]) if marker and rest.split(":", 1)[0].isdigit() else 1
    # After an empty line DuckDB quotes the SQL, which file and line already point to.
    return ModelFileError(model.path, line, text.partition("\n\n")[0].strip())


def _create_empty(con: duckdb.DuckDBPyConnection, model: SqlModel) -> Columns:
    """Create a model without rows. Returns the columns of its SELECT as it is written.

    Creating a model binds its SELECT and shows its columns. So most models, which have no moments to convert, are bound
    once.
    """
    _execute_empty(con, model, {})
    written = columns_of(con, f"from {relation(model.key)}")
    if has_moments(written):
        _execute_empty(con, model, written)
    return written


def _execute_empty(con: duckdb.DuckDBPyConnection, model: SqlModel, columns: Columns) -> None:
    statement = create_statement(model, columns)
    con.execute(statement if model.materialization is Materialization.VIEW else f"{statement}\nwith no data")


def _require_header_sql_binds(
    con: duckdb.DuckDBPyConnection, model: SqlModel, known: Mapping[ModelKey, Columns]
) -> None:
    """The header's own SQL binds as well: the number of rows, and the columns by which tables are narrowed."""
    if model.header.rows:
        try:
            con.execute(f"explain {model.header.rows}")
        except duckdb.Error as error:
            raise ModelFileError(model.path, 1, f"rows: {str(error).partition(chr(10))[0]}") from None
    for narrow in model.header.incremental.narrow if model.header.incremental else ():
        _require_column(model, narrow, known.get(narrow.target, {}), "narrow")


def _require_referenced_columns(model: SqlModel, known: Mapping[ModelKey, Columns]) -> None:
    """Check references to tables whose columns are known by now.

    The others are tables that are built later, or that can't be built.
    """
    for reference in model.header.references:
        if columns := known.get(reference.target):
            _require_column(model, reference, columns, "references")


def _require_column(model: SqlModel, reference: Reference, columns: Mapping[str, str], key: str) -> None:
    wanted = reference.target_column
    if wanted.lower() not in map(str.lower, columns):
        hint = did_you_mean(wanted, columns)
        raise ModelFileError(
            model.path, _line_of(model, wanted), f"{key}: {reference.target} has no column '{wanted}'{hint}"
        )


def _require_described_columns(model: SqlModel, columns: Columns) -> None:
    """Refuse header lines about columns that the SELECT lacks: mostly leftovers of a renaming."""
    header = model.header
    named = {
        *header.columns,
        *header.not_null,
        *(name for names in header.unique for name in names),
        *(reference.column for reference in header.references),
        *header.tells,
        *(header.incremental.key if header.incremental else ()),
        *([header.incremental.cursor] if header.incremental and header.incremental.cursor else ()),
    }
    for name in sorted(named.difference(columns)):
        problem = f"the header speaks of column '{name}', which the SELECT does not have{did_you_mean(name, columns)}"
        raise ModelFileError(model.path, _line_of(model, name), problem)


def _line_of(model: SqlModel, name: str) -> int:
    """The header line that speaks of a column."""
    lines = model.sql.splitlines()
    return next((n for n, text in enumerate(lines, 1) if text.lstrip().startswith("--") and name in text), 1)
