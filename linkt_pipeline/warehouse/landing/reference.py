"""Lands reference data (names to show instead of ids) and the last queue counts seen of a run."""

from dataclasses import dataclass

import duckdb
import polars as pl

from linkt_pipeline.warehouse.landing.counts import LandingCounts
from linkt_pipeline.warehouse.landing.delivery import cut_from_payload, set_aside_unstorable, stage_delivery
from linkt_pipeline.warehouse.landing.kept_out import erase_mentions
from linkt_pipeline.warehouse.landing.resources import forget_rejects
from linkt_pipeline.warehouse.landing.rows import replace_rows
from linkt_pipeline.warehouse.landing.staging import count, stage
from linkt_pipeline.warehouse.schemas import (
    ICPS_FRAME,
    QUEUE_COUNTS_FRAME,
    SHEETS_FRAME,
    TASKS_FRAME,
    FrameSchema,
)


@dataclass(frozen=True)
class _Kind:
    """One table of reference data.

    Attributes:
        resource_type: as in ``rejects.resource_type``.
        table: name in schema ``linkt``.
        key: its id column.
        schema: what is delivered.
        cut: JSON column that is cut out of the payload, at the same name.
    """

    resource_type: str
    table: str
    key: str
    schema: FrameSchema
    cut: str


_TASKS = _Kind("task", "tasks", "task_id", TASKS_FRAME, "task_config")
_ICPS = _Kind("icp", "icps", "icp_id", ICPS_FRAME, "entity_targets")
_SHEETS = _Kind("sheet", "sheets", "sheet_id", SHEETS_FRAME, "entity_schema")


def land_tasks(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> LandingCounts:
    """Merge tasks (:data:`~linkt_pipeline.warehouse.schemas.TASKS_FRAME`); newer wins."""
    return _land(con, _TASKS, frame)


def land_icps(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> LandingCounts:
    """Merge ICPs (:data:`~linkt_pipeline.warehouse.schemas.ICPS_FRAME`); newer wins."""
    return _land(con, _ICPS, frame)


def land_sheets(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> LandingCounts:
    """Merge sheets (:data:`~linkt_pipeline.warehouse.schemas.SHEETS_FRAME`); newer wins."""
    return _land(con, _SHEETS, frame)


def _land(con: duckdb.DuckDBPyConnection, kind: _Kind, frame: pl.DataFrame) -> LandingCounts:
    frame = erase_mentions(con, frame)
    if frame.is_empty():
        return LandingCounts()
    select = cut_from_payload({kind.cut: f"$.{kind.cut}"})
    staged = stage_delivery(con, "delivered_reference", frame, kind.schema, select)
    unstorable = set_aside_unstorable(con, "delivered_reference", staged, kind.resource_type, kind.key)
    con.execute(
        f"""
        create or replace temp table newest_reference as
        select * exclude (delivery) from delivered_reference
        qualify row_number() over (
            partition by {kind.key} order by updated_at desc nulls last, fetched_at desc, payload desc
        ) = 1;

        create or replace temp table changed_reference as
        select newest.*, stored.rowid as stored_row, stored_row is null as is_new
        from newest_reference as newest left join linkt.{kind.table} as stored on stored.{kind.key} = newest.{kind.key}
        where is_new
            or coalesce(newest.updated_at, '-infinity') > coalesce(stored.updated_at, '-infinity')
            or (
                newest.updated_at is not distinct from stored.updated_at
                and newest.fetched_at > stored.fetched_at
                and newest.payload::varchar is distinct from stored.payload::varchar
            )
        """  # noqa: S608
    )
    columns = [*kind.schema, kind.cut]
    replace_rows(con, f"linkt.{kind.table}", "changed_reference", columns, columns)
    forget_rejects(con, kind.resource_type, "newest_reference", kind.key)
    inserted = count(con, "select count(*) from changed_reference where is_new")
    updated = count(con, "select count(*) from changed_reference where not is_new")
    total = count(con, "select count(*) from newest_reference")
    return LandingCounts(inserted, updated, total - inserted - updated, unstorable=tuple(unstorable))


def land_queue_counts(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> None:
    """Replace the queue counts of the runs in ``frame`` by these, unless newer ones are stored.

    Args:
        con: a transaction.
        frame: :data:`~linkt_pipeline.warehouse.schemas.QUEUE_COUNTS_FRAME`, all states of a look at a run.
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
