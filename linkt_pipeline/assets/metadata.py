"""Dagster's standard metadata, from the tables themselves."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import duckdb

from linkt_pipeline.models import Columns
from linkt_pipeline.warehouse.connection import Warehouse

KINDS = {"duckdb"}
OWNERS = ["team:data"]


def column_schema(columns: Columns, descriptions: Mapping[str, str] | None = None) -> dg.TableSchema:
    """A table's columns as the UI shows them."""
    descriptions = descriptions or {}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, data_type, description=descriptions.get(name)) for name, data_type in columns.items()
        ]
    )


def table_metadata(table: str, columns: Columns, descriptions: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What is known of a table before it holds a row.

    Args:
        table: ``schema.name``.
        columns: names and DuckDB types.
        descriptions: column descriptions, where there are any.
    """
    return {
        "dagster/table_name": table,
        "dagster/storage_kind": "duckdb",
        "dagster/column_schema": column_schema(columns, descriptions),
    }


def row_counts(warehouse: Warehouse, tables: Iterable[str]) -> dict[str, int]:
    """Rows of each ``schema.name``, read under one short open."""
    with warehouse.read() as con:
        return {table: count_rows(con, table) for table in tables}


def count_rows(con: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of one table; its name comes from the code, never from data."""
    return int(con.execute(f"select count(*) from {table}").fetchall()[0][0])  # noqa: S608
