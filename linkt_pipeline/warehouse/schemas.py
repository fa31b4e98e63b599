"""The shape of every frame that can be landed: explicit, never inferred from a payload.

A frame has the columns of its table (tables.py) except those that landing makes: columns that DuckDB cuts out of the
payload (``input``, ``data``, ``metadata``, ``entity_schema``...), so that no number in them is re-encoded, and columns
that landing finds out. Times are aware and in UTC; JSON is text. A frame may have its columns in any order and more of
them. ``fetched_at`` is a moment of the request, never that of landing: for entities and signals when it was sent,
because a row can't be newer than that; for runs when its reply was there, because what a run names can't be older.
"""

from collections.abc import Mapping

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from linkt_pipeline.warehouse import tables
from linkt_pipeline.warehouse.table import BIGINT, DOUBLE, INTEGER, JSON, MOMENT, TEXT, TEXTS, Table

UTC = pl.Datetime("us", "UTC")

ColumnType = DataType | DataTypeClass
FrameSchema = Mapping[str, ColumnType]

_TYPES: Mapping[str, ColumnType] = {
    TEXT: pl.String,
    TEXTS: pl.List(pl.String),
    JSON: pl.String,
    INTEGER: pl.Int32,
    BIGINT: pl.Int64,
    DOUBLE: pl.Float64,
    MOMENT: UTC,
}


def _frame(table: Table, *made_here: str) -> FrameSchema:
    """Columns and types of a frame for ``table``; ``made_here`` are the columns that landing makes itself."""
    unknown = {*made_here} - {column.name for column in table.columns}
    if unknown:
        raise ValueError(f"{table.relation} has no column {', '.join(sorted(unknown))}")
    return {column.name: _TYPES[column.type] for column in table.columns if column.name not in made_here}


RUNS_FRAME = _frame(tables.RUNS, "input")
RUN_CREDITS_FRAME = _frame(tables.RUN_CREDITS)
RUN_RESOURCES_FRAME = _frame(tables.RUN_RESOURCES, "state", "landed_at", "last_error", "named_at")
ENTITIES_FRAME = _frame(tables.ENTITIES, "data", "duplicate_info", "content_hash", "deleted_at")
SIGNALS_FRAME = _frame(tables.SIGNALS, "metadata", "content_hash")
REJECTS_FRAME = _frame(tables.REJECTS, "run_id")
TASKS_FRAME = _frame(tables.TASKS, "task_config")
ICPS_FRAME = _frame(tables.ICPS, "entity_targets")
SHEETS_FRAME = _frame(tables.SHEETS, "entity_schema")
QUEUE_COUNTS_FRAME = _frame(tables.RUN_QUEUE_COUNTS)
