"""Lands signals. Linkt calls them immutable; if one differs after all, the one fetched later wins."""

import duckdb
import polars as pl

from linkt_pipeline.warehouse.frames import SIGNALS_FRAME
from linkt_pipeline.warehouse.landing.counts import LandingCounts
from linkt_pipeline.warehouse.landing.delivery import stage_delivery
from linkt_pipeline.warehouse.landing.resources import settle_landed
from linkt_pipeline.warehouse.landing.rows import replace_rows
from linkt_pipeline.warehouse.landing.staging import count

_KEPT = {**SIGNALS_FRAME, "content_hash": pl.String}


def land_signals(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> LandingCounts:
    """Merge signals and move the ids that runs name to ``landed``, in the caller's transaction.

    Args:
        con: a transaction.
        frame: :data:`~linkt_pipeline.warehouse.frames.SIGNALS_FRAME`, with or without ``content_hash``.

    Returns:
        What happened to each id.
    """
    if frame.is_empty():
        return LandingCounts()
    rejected = stage_delivery(con, "delivered_signals", frame, _KEPT, "signal", "signal_id")
    con.execute(
        """
        create or replace temp table changed_signals as
        with newest as (
            select * from delivered_signals
            qualify row_number() over (partition by signal_id order by fetched_at desc, content_hash desc) = 1
        ),
        known as (
            select signal_id, fetched_at, content_hash from linkt.signals
            where signal_id in (select signal_id from delivered_signals)
        )
        select newest.*, known.signal_id is null as is_new
        from newest left join known on known.signal_id = newest.signal_id
        where is_new
            or (
                newest.content_hash <> known.content_hash
                and (newest.fetched_at, newest.content_hash) > (known.fetched_at, known.content_hash)
            )
        """
    )
    select = [f'"{name}"' for name in _KEPT]
    replace_rows(con, "linkt.signals", "signal_id", "changed_signals", list(_KEPT), select)
    settle_landed(con, "signal", "delivered_signals", "signal_id")
    inserted = count(con, "select count(*) from changed_signals where is_new")
    updated = count(con, "select count(*) from changed_signals where not is_new")
    total = count(con, "select count(distinct signal_id) from delivered_signals")
    return LandingCounts(inserted, updated, total - inserted - updated, rejected=rejected)
