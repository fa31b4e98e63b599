"""What arrived of entities or signals, staged for merging: fingerprinted, numbered, its payload as JSON."""

import duckdb
import polars as pl

from linkt_pipeline.warehouse.frames import FrameSchema
from linkt_pipeline.warehouse.landing.content import content_hashes
from linkt_pipeline.warehouse.landing.resources import land_rejects
from linkt_pipeline.warehouse.landing.staging import stage

# What DuckDB does not accept as JSON (a lone surrogate, say) becomes null, for `set_aside_unstorable`.
DELIVERED = "select * replace (try_cast(payload as json) as payload) from staged_frame"


def stage_delivery(
    con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, schema: FrameSchema, select: str = DELIVERED
) -> pl.DataFrame:
    """Stage entities or signals, each with its number in column ``delivery``.

    Args:
        con: a transaction.
        table: name of the temporary table.
        frame: rows with ``payload`` and ``fetched_at``; without ``content_hash``, it is computed here.
        schema: names and types of the columns, besides ``delivery``.
        select: what the table gets.

    Returns:
        What was staged, its payloads as text.
    """
    if "content_hash" not in frame.columns:
        frame = frame.with_columns(content_hashes(frame["payload"]))
    frame = frame.with_row_index("delivery")
    stage(con, table, frame, {**schema, "delivery": pl.Int64}, select=select)
    return frame


def set_aside_unstorable(
    con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, resource_type: str, key: str
) -> int:
    """Move what DuckDB does not accept as JSON from a staged delivery to the rejects.

    Args:
        con: the transaction in which it was staged.
        table: name of the temporary table.
        frame: what was staged.
        resource_type: ``entity`` or ``signal``.
        key: name of the id column.

    Returns:
        How many ids are rejects now.
    """
    refused = con.execute(f"delete from {table} where payload is null returning delivery").fetchall()  # noqa: S608
    unstorable = frame[[delivery for (delivery,) in refused]].select(
        pl.lit(resource_type).alias("resource_type"),
        pl.col(key).alias("resource_id"),
        pl.lit("the payload is not JSON that DuckDB accepts").alias("reason"),
        "payload",
        pl.col("fetched_at").alias("received_at"),
    )
    land_rejects(con, unstorable)
    return unstorable["resource_id"].n_unique()
