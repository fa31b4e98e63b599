"""What arrived, staged for merging: fingerprinted, numbered, its payload as JSON; what is no JSON is set aside."""

import duckdb
import polars as pl

from linkt_pipeline.warehouse.frames import FrameSchema
from linkt_pipeline.warehouse.landing.content import content_hashes
from linkt_pipeline.warehouse.landing.resources import land_rejects
from linkt_pipeline.warehouse.landing.staging import stage


def stage_delivery(
    con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, schema: FrameSchema, resource_type: str, key: str
) -> int:
    """Stage entities or signals, each with its number in column ``delivery``.

    Args:
        con: a transaction.
        table: name of the temporary table.
        frame: rows with ``payload`` and ``fetched_at``; without ``content_hash``, it is computed here.
        schema: names and types that the table gets, besides ``delivery``.
        resource_type: ``entity`` or ``signal``.
        key: name of the id column.

    Returns:
        Ids that are now rejects, because DuckDB does not accept their payload as JSON (a lone surrogate, say).
    """
    if "content_hash" not in frame.columns:
        frame = frame.with_columns(content_hashes(frame["payload"]))
    frame = frame.with_row_index("delivery")
    stage(con, table, frame, {**schema, "delivery": pl.Int64}, document="payload")
    bad = con.execute(f"select delivery from {table} where payload is null").fetchall()  # noqa: S608
    if not bad:
        return 0
    unstorable = frame[[delivery for (delivery,) in bad]].select(
        pl.lit(resource_type).alias("resource_type"),
        pl.col(key).alias("resource_id"),
        pl.lit("the payload is not JSON that DuckDB accepts").alias("reason"),
        "payload",
        pl.col("fetched_at").alias("received_at"),
    )
    con.execute(f"delete from {table} where payload is null")  # noqa: S608
    land_rejects(con, unstorable)
    return unstorable["resource_id"].n_unique()
