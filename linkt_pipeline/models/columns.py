"""Names and types of columns: of tables that exist, and of models before they are built."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import duckdb

from linkt_pipeline.models.errors import ModelFileError
from linkt_pipeline.models.graph import ModelGraph
from linkt_pipeline.models.macro import create_macros
from linkt_pipeline.models.model import Columns, ModelKey, SqlModel
from linkt_pipeline.warehouse.catalog import quoted


def warehouse_sources(con: duckdb.DuckDBPyConnection, schemas: Iterable[str] = ("linkt",)) -> dict[str, Columns]:
    """Columns of every table in ``schemas``, by ``schema.table``: what :func:`load_models` takes as sources."""
    rows = con.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and schema_name in (select unnest($1)) "
        "order by schema_name, table_name, column_index",
        [list(schemas)],
    ).fetchall()
    sources: dict[str, dict[str, str]] = {}
    for schema, table, column, data_type in rows:
        sources.setdefault(f"{schema}.{table}", {})[column] = data_type
    return dict(sources)


def table_columns(con: duckdb.DuckDBPyConnection, key: ModelKey) -> dict[str, str]:
    """Columns of a table or view as it stands in the warehouse; empty when there is none."""
    rows = con.execute(
        "select column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and schema_name = $1 and table_name = $2 order by column_index",
        list(key),
    ).fetchall()
    return dict(rows)


def describe_models(graph: ModelGraph) -> dict[ModelKey, Columns]:
    """Columns of every model, found by binding its SQL to empty tables in memory; nothing is read.

    Raises:
        ModelFileError: a model names a column or function that is not there; with file and line.
    """
    described, problems = try_describe(graph)
    if problems:
        raise next(iter(problems.values()))
    return described


@lru_cache(maxsize=4)
def try_describe(graph: ModelGraph) -> tuple[dict[ModelKey, Columns], dict[ModelKey, ModelFileError]]:
    """As :func:`describe_models`, with the problems collected; children of a bad model are left out of both."""
    con = open_scratch(graph)
    try:
        _create_sources(con, graph.sources)
        described: dict[ModelKey, Columns] = {}
        problems: dict[ModelKey, ModelFileError] = {}
        for key, model in graph.models.items():
            if any(parent in graph.models and parent not in described for parent in model.depends_on):
                continue
            con.execute(f"create schema if not exists {quoted(key.schema)}")
            try:
                con.execute(f"create view {relation(key)} as {model.sql}")
                described[key] = table_columns(con, key)
                _require_header_sql_binds(con, model)
                _require_described_columns(model, described[key])
            except duckdb.Error as error:
                problems[key] = file_error(model, error)
            except ModelFileError as error:
                problems[key] = error
        return described, problems
    finally:
        con.close()


def open_scratch(graph: ModelGraph) -> duckdb.DuckDBPyConnection:
    """A database in memory that has the macros and nothing else; for the caller to close.

    Raises:
        ModelFileError: DuckDB refuses a macro.
    """
    con = duckdb.connect()
    try:
        create_macros(con, graph.macros.values())
    except BaseException:
        con.close()
        raise
    return con


def file_error(model: SqlModel, error: duckdb.Error) -> ModelFileError:
    """DuckDB's complaint about a model's SQL, at the line of the file it speaks of."""
    text = str(error)
    _, marker, rest = text.partition("\nLINE ")
    line = int(rest.split(":", 1)[0]) if marker and rest.split(":", 1)[0].isdigit() else 1
    return ModelFileError(model.path, line, text.partition("\n\n")[0].strip())


def relation(key: ModelKey) -> str:
    """A table's name as SQL."""
    return f"{quoted(key.schema)}.{quoted(key.name)}"


def _create_sources(con: duckdb.DuckDBPyConnection, sources: Mapping[ModelKey, Columns]) -> None:
    for schema in sorted({key.schema for key in sources}):
        con.execute(f"create schema if not exists {quoted(schema)}")
    for key, columns in sources.items():
        definition = ", ".join(f"{quoted(name)} {data_type}" for name, data_type in columns.items())
        con.execute(f"create table {relation(key)} ({definition})")


def _require_header_sql_binds(con: duckdb.DuckDBPyConnection, model: SqlModel) -> None:
    """The header's own SQL binds as well: the number of rows, and the columns by which tables are narrowed."""
    if model.header.rows:
        try:
            con.execute(f"explain {model.header.rows}")
        except duckdb.Error as error:
            raise ModelFileError(model.path, 1, f"rows: {str(error).partition(chr(10))[0]}") from None
    for narrow in model.header.incremental.narrow if model.header.incremental else ():
        if narrow.target_column not in table_columns(con, narrow.target):
            raise ModelFileError(model.path, 1, f"narrow: {narrow.target} has no column '{narrow.target_column}'")


def _require_described_columns(model: SqlModel, columns: Columns) -> None:
    """Header lines about columns that the SELECT does not have are mistakes, mostly after a renaming."""
    header = model.header
    named = {
        *header.columns,
        *header.not_null,
        *(name for names in header.unique for name in names),
        *(reference.column for reference in header.references),
        *((*header.incremental.key, header.incremental.cursor) if header.incremental else ()),
    }
    for name in sorted(named.difference(columns)):
        lines = model.sql.splitlines()
        line = next((n for n, text in enumerate(lines, 1) if text.startswith("--") and name in text), 1)
        raise ModelFileError(model.path, line, f"the header speaks of column '{name}', which the SELECT does not have")
