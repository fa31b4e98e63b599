"""Lands entities: the newest version in ``linkt.entities``, every real change in ``linkt.entity_versions``.

The cost of a batch must not grow with the warehouse, so it reads little of the big tables: the ids of
``linkt.entities`` once, to find the rows that the delivered ids have now, and those row groups of
``linkt.run_resources`` in which something waits. Only a version that comes late, or that no run waits for, is looked up
in all that is stored.
"""

import duckdb
import polars as pl

from linkt_pipeline.warehouse.landing.counts import LandingCounts
from linkt_pipeline.warehouse.landing.deletions import ENTITY_COLUMNS, restore_unchanged
from linkt_pipeline.warehouse.landing.delivery import cut_from_payload, set_aside_unstorable, stage_delivery
from linkt_pipeline.warehouse.landing.kept_out import keep_out_entities, settle_erased
from linkt_pipeline.warehouse.landing.resources import UNSETTLED, settle_landed
from linkt_pipeline.warehouse.landing.rows import replace_rows, stored_rows
from linkt_pipeline.warehouse.landing.versions import append_versions
from linkt_pipeline.warehouse.schemas import ENTITIES_FRAME

_KEPT = {**ENTITIES_FRAME, "content_hash": pl.String}

# Payloads stay where they were staged: carried along they cost more than the merge.
_DELIVERED = cut_from_payload({"data": "$.data", "duplicate_info": "$.duplicate_info"})

# For each delivery: is it the row to store now, is it a version that the history lacks, and which row does it replace.
# For a delivery that is older than the stored row, that row alone does not show what the history lacks.
_DECIDED = f"""
create or replace temp table decided as
with known as (
    select entity_id, rowid as stored_row, updated_at, fetched_at, content_hash, deleted_at
    from linkt.entities
    where rowid in ({stored_rows("linkt.entities", "entity_id", "delivered")})
),
waiting as (
    select named.resource_id as entity_id,
        max_by(named.run_id, (coalesce(runs.updated_at, runs.created_at, runs.fetched_at), named.run_id)) as run_id
    from linkt.run_resources as named join linkt.runs as runs on runs.run_id = named.run_id
    where named.resource_type = 'entity' and {UNSETTLED}
        and named.resource_id in (select entity_id from delivered)
    group by all
)
select d.delivery, d.entity_id, known.stored_row, waiting.run_id,
    d.content_hash is distinct from coalesce(lag(d.content_hash) over in_time, known.content_hash) as is_version,
    lead(d.delivery) over in_time is null and (
        known.stored_row is null
        or coalesce(d.updated_at, '-infinity') > coalesce(known.updated_at, '-infinity')
        or (
            d.updated_at is not distinct from known.updated_at
            and d.content_hash <> known.content_hash
            -- Of two bodies of one moment the same one wins in whatever order they arrive.
            and (d.fetched_at, d.content_hash) > (known.fetched_at, known.content_hash)
        )
    ) as is_row,
    coalesce(
        first_value((coalesce(d.updated_at, '-infinity'), d.fetched_at, d.content_hash)) over in_time
            < (coalesce(known.updated_at, '-infinity'), known.fetched_at, known.content_hash),
        false
    ) as is_late,
    known.deleted_at is not null as was_deleted,
    -- A body that was fetched before the entity was found deleted does not bring it back.
    case when known.deleted_at >= max(d.fetched_at) over (partition by d.entity_id) then known.deleted_at end
        as deleted_at
from delivered as d left join known using (entity_id) left join waiting using (entity_id)
where d.payload is not null
window in_time as (
    partition by d.entity_id order by d.updated_at nulls first, d.fetched_at, d.content_hash, d.delivery
);
"""  # noqa: S608

_ROWS = "(select delivery, stored_row from decided where is_row)"

_SUMMARY = """
select count(distinct entity_id), count(*) filter (is_row and stored_row is null),
    count(*) filter (is_row and stored_row is not null), count(*), coalesce(bool_or(is_late), false),
    coalesce(bool_or(run_id is null and (is_version or is_late)), false),
    count(distinct entity_id) filter (was_deleted and deleted_at is null)
from decided
"""


def land_entities(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame, *, for_runs: bool = True) -> LandingCounts:
    """Merge entities, newer wins: by ``updated_at`` (none is oldest), then by ``fetched_at`` if the content differs.

    An older version that arrives late never overwrites, but finds its place in the history. Ids named by runs move to
    ``landed`` in the same transaction. An entity loses its mark ``deleted_at`` if it was read after that moment.

    Args:
        con: a transaction.
        frame: :data:`~linkt_pipeline.warehouse.schemas.ENTITIES_FRAME`; an id may come more than once. A column
            ``content_hash`` (from :func:`~linkt_pipeline.warehouse.landing.content.content_hashes`) is used if present,
            so that it can be computed before the warehouse is opened.
        for_runs: the entities were read because runs name them. If not, a version that no run waits for gets no run:
            the run that named the entity long ago did not make this version.

    Returns:
        What happened to each id.
    """
    frame, gone = keep_out_entities(con, frame)
    kept_out = settle_erased(con, "entity", gone)
    if frame.is_empty():
        return LandingCounts(erased=len(set(gone)), settled=kept_out)
    staged = stage_delivery(con, "delivered", frame, _KEPT, _DELIVERED)
    ((delivered, inserted, updated, storable, some_late, some_unasked, restored),) = con.execute(
        _DECIDED + _SUMMARY
    ).fetchall()
    rejected = 0
    if storable < len(staged):
        rejected = len(set_aside_unstorable(con, "delivered", staged, "entity", "entity_id"))
    # The history is decided against the stored rows, so it comes before these are replaced.
    versions = append_versions(con, some_late=some_late, some_unasked=some_unasked and for_runs)
    if restored:
        restore_unchanged(con)
    if inserted or updated:
        source = "(select d.*, deleted_at from delivered as d join decided using (delivery) where is_row)"
        replace_rows(
            con, "linkt.entities", _ROWS, ENTITY_COLUMNS, ENTITY_COLUMNS, source=source, some_stored=updated > 0
        )
    settled = settle_landed(con, "entity", "delivered", "entity_id")
    return LandingCounts(
        inserted,
        updated,
        delivered - inserted - updated,
        versions,
        rejected,
        restored=restored,
        settled=settled + kept_out,
        erased=len(set(gone)),
    )
