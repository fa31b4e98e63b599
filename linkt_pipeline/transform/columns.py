"""Names and types of the columns of tables as they stand in a database."""

from collections.abc import Iterable

import duckdb

from linkt_pipeline.transform.model import Columns, ModelKey
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


def relation(key: ModelKey) -> str:
    """A table's name as SQL."""
    return f"{quoted(key.schema)}.{quoted(key.name)}"
