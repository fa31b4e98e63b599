"""Lands reference data (names to show instead of ids) and the last queue counts seen of a run."""

import duckdb
import polars as pl

from linkt_pipeline.warehouse.frames import (
    ICPS_FRAME,
    QUEUE_COUNTS_FRAME,
    SHEETS_FRAME,
    TASKS_FRAME,
    FrameSchema,
)
from linkt_pipeline.warehouse.landing.counts import LandingCounts
from linkt_pipeline.warehouse.landing.rows import replace_rows
from linkt_pipeline.warehouse.landing.staging import count, stage

_JSON = ("payload", "task_config", "entity_targets", "entity_schema")


def land_tasks(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> LandingCounts:
    """Merge tasks (:data:`~linkt_pipeline.warehouse.frames.TASKS_FRAME`); newer wins."""
    return _land(con, "linkt.tasks", "task_id", frame, TASKS_FRAME)


def land_icps(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> LandingCounts:
    """Merge ICPs (:data:`~linkt_pipeline.warehouse.frames.ICPS_FRAME`); newer wins."""
    return _land(con, "linkt.icps", "icp_id", frame, ICPS_FRAME)


def land_sheets(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> LandingCounts:
    """Merge sheets (:data:`~linkt_pipeline.warehouse.frames.SHEETS_FRAME`); newer wins."""
    return _land(con, "linkt.sheets", "sheet_id", frame, SHEETS_FRAME)


def _land(
    con: duckdb.DuckDBPyConnection, table: str, key: str, frame: pl.DataFrame, schema: FrameSchema
) -> LandingCounts:
    stage(con, "delivered_reference", frame, schema)
    con.execute(
        f"""
        create or replace temp table changed_reference as
        with newest as (
            select * from delivered_reference
            qualify row_number() over (
                partition by {key} order by updated_at desc nulls last, fetched_at desc, payload desc
            ) = 1
        )
        select newest.*, stored.rowid as stored_row, stored_row is null as is_new
        from newest left join {table} as stored on stored.{key} = newest.{key}
        where is_new
            or coalesce(newest.updated_at, '-infinity') > coalesce(stored.updated_at, '-infinity')
            or (
                newest.updated_at is not distinct from stored.updated_at
                and newest.fetched_at > stored.fetched_at
                and newest.payload is distinct from stored.payload::varchar
            )
        """  # noqa: S608
    )
    select = [f"{name}::json" if name in _JSON else name for name in schema]
    replace_rows(con, table, "changed_reference", list(schema), select)
    inserted = count(con, "select count(*) from changed_reference where is_new")
    updated = count(con, "select count(*) from changed_reference where not is_new")
    total = count(con, f"select count(distinct {key}) from delivered_reference")  # noqa: S608
    return LandingCounts(inserted, updated, total - inserted - updated)


def land_queue_counts(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> None:
    """Replace the queue counts of the runs in ``frame`` by these, unless newer ones are stored.

    Args:
        con: a transaction.
        frame: :data:`~linkt_pipeline.warehouse.frames.QUEUE_COUNTS_FRAME`, all states of a look at a run.
    """
    stage(con, "delivered_counts", frame, QUEUE_COUNTS_FRAME)
    con.execute(
        """
        create or replace temp table newest_counts as
        select delivered_counts.* from delivered_counts
        where observed_at >= coalesce(
            (select max(observed_at) from linkt.run_queue_counts as c where c.run_id = delivered_counts.run_id),
            '-infinity'
        )
        qualify observed_at = max(observed_at) over (partition by run_id)
            and row_number() over (partition by run_id, state order by observed_at desc, entities desc) = 1
        """
    )
    con.execute("delete from linkt.run_queue_counts where run_id in (select run_id from newest_counts)")
    con.execute("insert into linkt.run_queue_counts (run_id, state, entities, observed_at) from newest_counts")
