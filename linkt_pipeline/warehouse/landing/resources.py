"""The records about ids: which ids a run named, and the state of each.

A row of ``linkt.run_resources`` is *pending* until a request sent after the run was read settles it: *landed*,
*missing* (404) or *rejected* (kept in ``linkt.rejects`` with its payload, as are runs and reference data that can't
be stored). A request sent before can't speak for it,
because the run may have changed the row since.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb
import polars as pl

from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.ids import WELL_FORMED_ID
from linkt_pipeline.warehouse.landing.kept_out import keep_out_rejects, settle_erased
from linkt_pipeline.warehouse.landing.staging import count, stage
from linkt_pipeline.warehouse.outbox import tell_rejects
from linkt_pipeline.warehouse.schemas import REJECTS_FRAME, UTC
from linkt_pipeline.warehouse.tombstones import read_tombstones, text_without_erased

MISSING = "404: Linkt does not know this id; it may have been deleted"
UNSETTLED = "state in ('pending', 'missing', 'rejected')"  # not landed, so that a read may still land it


def settle_landed(con: duckdb.DuckDBPyConnection, resource_type: str, delivered: str, key: str) -> int:
    """Move the ids of a delivery to ``landed`` and forget their rejects.

    Args:
        con: the transaction that lands their rows.
        resource_type: ``entity`` or ``signal``.
        delivered: a table of what arrived, with its id column ``key`` and ``fetched_at``.
        key: name of that id column.

    Returns:
        Rows of ``linkt.run_resources`` that have changed.
    """
    landed = count(
        con,
        f"""
        update linkt.run_resources as named
        set state = 'landed', landed_at = now(), last_error = null
        from (select {key} as resource_id, max(fetched_at) as fetched_at from {delivered} group by all) as arrived
        where named.resource_id = arrived.resource_id
            and named.resource_type = {literal(resource_type)}
            and {UNSETTLED}
            and coalesce(named.named_at, '-infinity') <= arrived.fetched_at
        """,  # noqa: S608
    )
    if not _has_rejects(con, resource_type):
        return landed
    return landed + count(
        con,
        f"""
        delete from linkt.rejects
        where resource_type = {literal(resource_type)} and resource_id in (select {key} from {delivered})
        """,  # noqa: S608
    )


def land_rejects(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> int:
    """Keep what arrived but can't be used, with its payload and the reason.

    Args:
        con: a transaction.
        frame: :data:`~linkt_pipeline.warehouse.schemas.REJECTS_FRAME`; one id may come more than once.

    Returns:
        Rows of ``run_resources`` that are now rejected.
    """
    # What was erased is settled as erased and not as rejected, so that nothing asks for it again.
    frame, erased = keep_out_rejects(con, frame)
    for resource_type in ("entity", "signal"):
        settle_erased(con, resource_type, [found for kind, found in erased if kind == resource_type])
    if frame.is_empty():
        return 0
    stage(con, "rejected", frame, REJECTS_FRAME)
    return settle_rejected(con, "rejected")


def settle_rejected(con: duckdb.DuckDBPyConnection, rejected: str) -> int:
    """As :func:`land_rejects`, of a staged table."""
    con.execute(
        f"""
        create or replace temp table newest_rejects as
        select r.*, case when resource_type = 'run' then resource_id else (
            select max_by(named.run_id, (named.named_at, named.run_id)) from linkt.run_resources as named
            where named.resource_type = r.resource_type and named.resource_id = r.resource_id
        ) end as run_id
        from {rejected} as r
        qualify row_number() over (partition by resource_type, resource_id order by received_at desc, reason desc) = 1
        """  # noqa: S608
    )
    # Before they are stored: afterwards nothing shows which of them are new.
    tell_rejects(con, "newest_rejects")
    con.execute(
        """
        merge into linkt.rejects as stored
        using newest_rejects as newer
        on stored.resource_type = newer.resource_type and stored.resource_id = newer.resource_id
        when matched and newer.received_at > stored.received_at then update set
            run_id = newer.run_id, reason = newer.reason, payload = newer.payload, received_at = newer.received_at
        when not matched then insert (resource_type, resource_id, run_id, reason, payload, received_at)
            values (newer.resource_type, newer.resource_id, newer.run_id, newer.reason, newer.payload,
                newer.received_at)
        """
    )
    return count(
        con,
        """
        update linkt.run_resources as named
        set state = 'rejected', landed_at = null, last_error = newest_rejects.reason
        from newest_rejects
        where named.resource_id = newest_rejects.resource_id
            and named.resource_type = newest_rejects.resource_type
            and named.state in ('pending', 'missing')
            and coalesce(named.named_at, '-infinity') <= newest_rejects.received_at
        """,
    )


def forget_rejects(con: duckdb.DuckDBPyConnection, resource_type: str, landed: str, key: str) -> None:
    """Delete the rejects of rows that have landed now, unless the reject is newer than what landed.

    Args:
        con: the transaction that lands them.
        resource_type: ``run``, ``task``, ``icp`` or ``sheet``.
        landed: a table of what landed, with its id column ``key`` and ``fetched_at``.
        key: name of that id column.
    """
    if not _has_rejects(con, resource_type):
        return
    con.execute(
        f"""
        delete from linkt.rejects as kept using {landed} as landed
        where kept.resource_type = {literal(resource_type)} and kept.resource_id = landed.{key}
            and kept.received_at <= landed.fetched_at
        """  # noqa: S608
    )


def _has_rejects(con: duckdb.DuckDBPyConnection, resource_type: str) -> bool:
    """Nearly never. To look is cheap; in a lake, to delete nothing costs nearly as much as to delete."""
    return count(con, "select count(*) from linkt.rejects where resource_type = $1", [resource_type]) > 0


def clear_rejects(con: duckdb.DuckDBPyConnection, resource_type: str) -> None:
    """Forget all rejects of a type whose list is read whole each time."""
    con.execute("delete from linkt.rejects where resource_type = $1", [resource_type])


def mark_missing(con: duckdb.DuckDBPyConnection, resource_type: str, ids: Sequence[str], at: datetime) -> int:
    """A single read of these ids answered 404.

    Args:
        con: a transaction.
        resource_type: ``entity`` or ``signal``.
        ids: what was asked for.
        at: when the requests were sent (the earliest of them).

    Returns:
        Rows of ``linkt.run_resources`` that have changed. A row landed for an earlier run stays landed.
    """
    if not ids:
        return 0
    frame = pl.DataFrame({"resource_id": ids}).with_columns(pl.lit(at).cast(UTC).alias("at"))
    stage(con, "gone", frame, {"resource_id": pl.String, "at": UTC})
    changed = count(
        con,
        """
        update linkt.run_resources as named
        set state = 'missing', landed_at = null, last_error = $2
        from (select distinct resource_id, "at" from gone) as gone
        where named.resource_id = gone.resource_id
            and named.resource_type = $1
            and named.state in ('pending', 'rejected')
            and coalesce(named.named_at, '-infinity') <= gone."at"
        """,
        [resource_type, MISSING],
    )
    return changed + count(
        con,
        "delete from linkt.rejects where resource_type = $1 and resource_id in (select resource_id from gone)",
        [resource_type],
    )


def note_pending(con: duckdb.DuckDBPyConnection, resource_type: str, reasons: Mapping[str, str]) -> int:
    """Record why ids are still pending although they were asked for. A known reason is not written again.

    Args:
        con: a transaction.
        resource_type: ``entity`` or ``signal``.
        reasons: by id.

    Returns:
        Rows of ``linkt.run_resources`` that have changed.
    """
    tombstones = read_tombstones(con)  # an answer may quote what was erased
    return count(
        con,
        """
        update linkt.run_resources as named set last_error = failed.reason
        from (select unnest($2::varchar[]) as resource_id, unnest($3::varchar[]) as reason) as failed
        where named.resource_id = failed.resource_id and named.resource_type = $1 and named.state = 'pending'
            and named.last_error is distinct from failed.reason
        """,
        [resource_type, list(reasons), [text_without_erased(tombstones, reason) for reason in reasons.values()]],
    )


def reopen_resources(
    con: duckdb.DuckDBPyConnection, resource_type: str, *, states: Sequence[str] = ("missing", "rejected")
) -> int:
    """Make settled ids pending again, to try them once more. Malformed ids stay: the API can't be asked for them.

    Returns:
        Rows of ``run_resources`` that are pending again.
    """
    return count(
        con,
        f"""
        update linkt.run_resources set state = 'pending'
        where resource_type = $1 and state in (select unnest($2::varchar[])) and state <> 'landed'
            and regexp_full_match(resource_id, '{WELL_FORMED_ID}')
        """,  # noqa: S608
        [resource_type, list(states)],
    )
