"""Marks entities that Linkt has deleted, and those that are there again; nothing is ever removed."""

from collections.abc import Sequence
from datetime import datetime

import duckdb
import polars as pl

from linkt_pipeline.warehouse.landing.rows import replace_rows, stored_rows
from linkt_pipeline.warehouse.landing.staging import count, stage
from linkt_pipeline.warehouse.schemas import ENTITIES_FRAME, UTC

ENTITY_COLUMNS = (*ENTITIES_FRAME, "content_hash", "data", "duplicate_info", "deleted_at")

# A read that found the row unchanged leaves no trace in it, but ``linkt.run_resources`` says when it was landed.
# Where the two contradict each other, the row stays: the next refresh asks again.
_DELETED = f"""
create or replace temp table remarked as
select entity.* replace (deleted."at" as deleted_at), entity.rowid as stored_row
from linkt.entities as entity join deleted on deleted.entity_id = entity.entity_id
where entity.rowid in ({stored_rows("linkt.entities", "entity_id", "deleted")})
    and entity.deleted_at is null
    and entity.fetched_at <= deleted."at"
    and entity.entity_id not in (
        select named.resource_id from linkt.run_resources as named join deleted as asked on
            asked.entity_id = named.resource_id
        where named.resource_type = 'entity' and named.state = 'landed' and named.landed_at > asked."at"
    )
"""  # noqa: S608

_RESTORED = """
create or replace temp table remarked as
select entity.* replace (null as deleted_at), entity.rowid as stored_row from linkt.entities as entity
where entity.rowid in (
    select stored_row from decided
    group by stored_row
    having bool_or(was_deleted) and bool_and(deleted_at is null) and not bool_or(is_row)
)
"""


def mark_deleted(con: duckdb.DuckDBPyConnection, ids: Sequence[str], at: datetime) -> int:
    """A single read of these entities answered 404.

    Args:
        con: a transaction.
        ids: what was asked for; of those that are not landed there is nothing to mark.
        at: when the requests were sent (the earliest of them).

    Returns:
        Entities that are deleted now and were not before. One that was read later than ``at`` is not.
    """
    frame = pl.DataFrame({"entity_id": sorted(set(ids))}).with_columns(pl.lit(at).cast(UTC).alias("at"))
    stage(con, "deleted", frame, {"entity_id": pl.String, "at": UTC})
    return _remark(con, _DELETED)


def restore_unchanged(con: duckdb.DuckDBPyConnection) -> int:
    """Entities that were deleted and have arrived again just as they were; a changed row is restored as it lands.

    Args:
        con: the transaction in which entities.py has decided.
    """
    return _remark(con, _RESTORED)


def _remark(con: duckdb.DuckDBPyConnection, select: str) -> int:
    con.execute(select)
    remarked = count(con, "select count(*) from remarked")
    if remarked:
        replace_rows(con, "linkt.entities", "remarked", ENTITY_COLUMNS, ENTITY_COLUMNS)
    return remarked
