"""The shape of every frame that can be landed: explicit, never inferred from a payload.

Times are aware and in UTC; columns marked JSON hold JSON text. JSON columns that a payload holds (``input``, ``data``,
``metadata``, ``entity_schema``...) are in no frame: DuckDB cuts them out of the payload, so that no number in them is
re-encoded. A frame may have its columns in any order and more of them. ``fetched_at`` is a moment of the request, never
that of landing: for entities and signals when it was sent, because a row can't be newer than that; for runs when its
reply was there, because what a run names can't be older.
"""

from collections.abc import Mapping

import polars as pl
from polars.datatypes import DataType, DataTypeClass

UTC = pl.Datetime("us", "UTC")

ColumnType = DataType | DataTypeClass
FrameSchema = Mapping[str, ColumnType]

RUNS_FRAME: FrameSchema = {
    "run_id": pl.String,
    "task_id": pl.String,
    "icp_id": pl.String,
    "task_type": pl.String,
    "flow_run_id": pl.String,
    "status": pl.String,
    "status_normalised": pl.String,
    "output_version": pl.String,
    "total_credits": pl.Float64,
    "run_time_seconds": pl.Float64,
    "error": pl.String,
    "error_kind": pl.String,
    "created_at": UTC,
    "updated_at": UTC,
    "fetched_at": UTC,
    "payload": pl.String,  # JSON
}

RUN_CREDITS_FRAME: FrameSchema = {"run_id": pl.String, "action_type": pl.String, "credits": pl.Float64}

RUN_RESOURCES_FRAME: FrameSchema = {
    "run_id": pl.String,
    "resource_type": pl.String,  # entity | signal
    "action": pl.String,  # created | updated
    "resource_id": pl.String,
    "position": pl.Int32,  # index in the run's list
}

ENTITIES_FRAME: FrameSchema = {
    "entity_id": pl.String,
    "sheet_id": pl.String,
    "sheet_name": pl.String,
    "icp_id": pl.String,
    "entity_type": pl.String,
    "parent_id": pl.String,
    "status": pl.String,
    "comments": pl.String,
    "external_id": pl.String,
    "external_source": pl.String,
    "created_at": UTC,
    "updated_at": UTC,
    "fetched_at": UTC,
    "payload": pl.String,  # JSON
}

SIGNALS_FRAME: FrameSchema = {
    "signal_id": pl.String,
    "icp_id": pl.String,
    "signal_type": pl.String,
    "signal_display_name": pl.String,
    "strength": pl.String,
    "score": pl.Float64,
    "summary": pl.String,
    "references": pl.List(pl.String),
    "entity_ids": pl.List(pl.String),
    "created_at": UTC,
    "fetched_at": UTC,
    "payload": pl.String,  # JSON
}

REJECTS_FRAME: FrameSchema = {
    "resource_type": pl.String,
    "resource_id": pl.String,
    "reason": pl.String,
    "payload": pl.String,  # whatever text arrived
    "received_at": UTC,
}

TASKS_FRAME: FrameSchema = {
    "task_id": pl.String,
    "name": pl.String,
    "description": pl.String,
    "flow_name": pl.String,
    "deployment_name": pl.String,
    "icp_id": pl.String,
    "prompt": pl.String,
    "created_at": UTC,
    "updated_at": UTC,
    "fetched_at": UTC,
    "payload": pl.String,  # JSON
}

ICPS_FRAME: FrameSchema = {
    "icp_id": pl.String,
    "name": pl.String,
    "description": pl.String,
    "mode": pl.String,
    "created_at": UTC,
    "updated_at": UTC,
    "fetched_at": UTC,
    "payload": pl.String,  # JSON
}

SHEETS_FRAME: FrameSchema = {
    "sheet_id": pl.String,
    "name": pl.String,
    "description": pl.String,
    "icp_id": pl.String,
    "entity_type": pl.String,
    "created_at": UTC,
    "updated_at": UTC,
    "fetched_at": UTC,
    "payload": pl.String,  # JSON
}

QUEUE_COUNTS_FRAME: FrameSchema = {"run_id": pl.String, "state": pl.String, "entities": pl.Int64, "observed_at": UTC}
