"""What arrived, staged for merging: numbered, its payload as JSON, and what DuckDB can't store of it set aside."""

from collections.abc import Mapping

import duckdb
import polars as pl

from linkt_pipeline.warehouse.landing.content import content_hashes
from linkt_pipeline.warehouse.landing.resources import land_rejects
from linkt_pipeline.warehouse.landing.staging import stage
from linkt_pipeline.warehouse.schemas import FrameSchema

# What DuckDB does not accept as JSON (a lone surrogate, say) becomes null, for `set_aside_unstorable`.
DELIVERED = "select * replace (try_cast(payload as json) as payload) from staged_frame"


def cut_from_payload(columns: Mapping[str, str]) -> str:
    """A delivery with JSON columns cut out of the payload's own text, so that no number in them is re-encoded.

    Args:
        columns: name of the column and path inside of the payload.
    """
    paths = ", ".join(f"'{path}'" for path in columns.values())
    parts = ", ".join(f"nullif(parts[{n}], 'null') as {name}" for n, name in enumerate(columns, 1))
    return f"select * exclude (parts), {parts} from (select *, json_extract(payload, [{paths}]) as parts from ({DELIVERED}))"  # noqa: S608, E501


def stage_delivery(
    con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, schema: FrameSchema, select: str = DELIVERED
) -> pl.DataFrame:
    """Stage rows with a payload, each with its number in column ``delivery``.

    Args:
        con: a transaction.
        table: name of the temporary table.
        frame: rows with ``payload`` and ``fetched_at``; a missing ``content_hash`` is computed here.
        schema: names and types of the columns, besides ``delivery``.
        select: what the table gets.

    Returns:
        What was staged, its payloads as text.
    """
    if "content_hash" in schema and "content_hash" not in frame.columns:
        frame = frame.with_columns(content_hashes(frame["payload"]))
    frame = frame.with_row_index("delivery")
    stage(con, table, frame, {**schema, "delivery": pl.Int64}, select=select)
    return frame


def set_aside_unstorable(
    con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, resource_type: str, key: str
) -> list[str]:
    """Move what DuckDB does not accept as JSON from a staged delivery to the rejects.

    Args:
        con: the transaction in which it was staged.
        table: name of the temporary table.
        frame: what was staged.
        resource_type: ``entity``, ``signal``, ``run``...
        key: name of the id column.

    Returns:
        The ids that are rejects now, each once.
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
    return unstorable["resource_id"].unique().to_list()
