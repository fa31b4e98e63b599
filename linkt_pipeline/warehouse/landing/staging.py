"""Puts a frame where SQL can reach it, in exactly the declared shape."""

import duckdb
import polars as pl

from linkt_pipeline.warehouse.schemas import FrameSchema


class _ArrowStream:
    """A frame, of which DuckDB sees only the Arrow stream. Given the frame itself, it would ask for pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def stage(
    con: duckdb.DuckDBPyConnection,
    table: str,
    frame: pl.DataFrame,
    schema: FrameSchema,
    *,
    select: str = "select * from staged_frame",
) -> None:
    """Copy a frame into the temporary table ``table``, replacing an earlier one.

    Args:
        con: a connection inside a transaction.
        table: name of the temporary table.
        frame: rows; columns beyond the schema are ignored.
        schema: names and types of the columns.
        select: what the table gets, from ``staged_frame``.

    Raises:
        polars.exceptions.PolarsError: a column is missing or its values don't fit, which is a mistake in the code.
    """
    shaped = frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    con.register("staged_frame", _ArrowStream(shaped))
    try:
        con.execute(f"create or replace temp table {table} as {select}")
    finally:
        con.unregister("staged_frame")


def count(con: duckdb.DuckDBPyConnection, sql: str, parameters: list[object] | None = None) -> int:
    """First value of a query, or the number of rows a statement changed."""
    row = con.execute(sql, parameters or []).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
