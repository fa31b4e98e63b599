"""Lands signals. Linkt calls them immutable; if one differs after all, the one fetched later wins."""

import duckdb
import polars as pl

from linkt_pipeline.warehouse.landing.counts import LandingCounts
from linkt_pipeline.warehouse.landing.delivery import cut_from_payload, set_aside_unstorable, stage_delivery
from linkt_pipeline.warehouse.landing.kept_out import keep_out_signals, settle_erased
from linkt_pipeline.warehouse.landing.resources import settle_landed
from linkt_pipeline.warehouse.landing.rows import replace_rows, stored_rows
from linkt_pipeline.warehouse.schemas import SIGNALS_FRAME

_KEPT = {**SIGNALS_FRAME, "content_hash": pl.String}
_DELIVERED = cut_from_payload({"metadata": "$.metadata"})
_ROWS = "(select delivery, stored_row from decided_signals where is_row)"


def land_signals(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> LandingCounts:
    """Merge signals and move the ids that runs name to ``landed``, in the caller's transaction.

    Args:
        con: a transaction.
        frame: :data:`~linkt_pipeline.warehouse.schemas.SIGNALS_FRAME`, with or without ``content_hash``.

    Returns:
        What happened to each id.
    """
    frame, gone = keep_out_signals(con, frame)
    kept_out = settle_erased(con, "signal", gone)
    if frame.is_empty():
        return LandingCounts(erased=len(set(gone)), settled=kept_out)
    staged = stage_delivery(con, "delivered_signals", frame, _KEPT, _DELIVERED)
    ((delivered, inserted, updated, storable),) = con.execute(
        f"""
        create or replace temp table decided_signals as
        with known as (
            select signal_id, rowid as stored_row, fetched_at, content_hash from linkt.signals
            where rowid in ({stored_rows("linkt.signals", "signal_id", "delivered_signals")})
        )
        select s.delivery, s.signal_id, known.stored_row,
            lead(s.delivery) over (partition by s.signal_id order by s.fetched_at, s.content_hash, s.delivery) is null
            and (
                known.stored_row is null
                or (
                    s.content_hash <> known.content_hash
                    and (s.fetched_at, s.content_hash) > (known.fetched_at, known.content_hash)
                )
            ) as is_row
        from delivered_signals as s left join known using (signal_id)
        where s.payload is not null;

        select count(distinct signal_id), count(*) filter (is_row and stored_row is null),
            count(*) filter (is_row and stored_row is not null), count(*)
        from decided_signals
        """  # noqa: S608
    ).fetchall()
    rejected = 0
    if storable < len(staged):
        rejected = len(set_aside_unstorable(con, "delivered_signals", staged, "signal", "signal_id"))
    if inserted or updated:
        columns = [*_KEPT, "metadata"]
        select = [f'"{name}"' for name in columns]
        source = f"delivered_signals where delivery in (select delivery from {_ROWS})"  # noqa: S608
        replace_rows(con, "linkt.signals", _ROWS, columns, select, source=source, some_stored=updated > 0)
    settled = settle_landed(con, "signal", "delivered_signals", "signal_id")
    return LandingCounts(
        inserted,
        updated,
        delivered - inserted - updated,
        rejected=rejected,
        settled=settled + kept_out,
        erased=len(set(gone)),
    )
