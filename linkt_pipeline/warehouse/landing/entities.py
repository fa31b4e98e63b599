"""Lands entities: the newest version in ``linkt.entities``, every real change in ``linkt.entity_versions``."""

import duckdb
import polars as pl

from linkt_pipeline.warehouse.frames import ENTITIES_FRAME
from linkt_pipeline.warehouse.landing.counts import LandingCounts
from linkt_pipeline.warehouse.landing.delivery import stage_delivery
from linkt_pipeline.warehouse.landing.resources import settle_landed
from linkt_pipeline.warehouse.landing.rows import replace_rows
from linkt_pipeline.warehouse.landing.staging import count
from linkt_pipeline.warehouse.landing.versions import append_versions, find_missing_versions

_KEPT = {**ENTITIES_FRAME, "content_hash": pl.String}


def land_entities(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> LandingCounts:
    """Merge entities, newer wins: by ``updated_at`` (none is oldest), then by ``fetched_at`` if the content differs.

    An older version that arrives late never overwrites, but finds its place in the history. Ids named by runs move to
    ``landed`` in the same transaction.

    Args:
        con: a transaction.
        frame: :data:`~linkt_pipeline.warehouse.frames.ENTITIES_FRAME`; an id may come more than once. A column
            ``content_hash`` (from :func:`~linkt_pipeline.warehouse.landing.content.content_hashes`) is used if present,
            so that it can be computed before the warehouse is opened.

    Returns:
        What happened to each id.
    """
    if frame.is_empty():
        return LandingCounts()
    rejected = stage_delivery(con, "delivered", frame, _KEPT, "entity", "entity_id")
    _find_changed(con)
    find_missing_versions(con)
    _cut_out(con)
    versions = append_versions(con)
    columns = [*_KEPT, "data", "duplicate_info"]
    source = "changed_entities join delivered using (delivery, entity_id) join cut_out using (delivery)"
    replace_rows(con, "linkt.entities", "entity_id", "changed_entities", columns, columns, source=source)
    settle_landed(con, "entity", "delivered", "entity_id")
    inserted = count(con, "select count(*) from changed_entities where is_new")
    updated = count(con, "select count(*) from changed_entities where not is_new")
    total = count(con, "select count(distinct entity_id) from delivered")
    return LandingCounts(inserted, updated, total - inserted - updated, versions, rejected)


def _find_changed(con: duckdb.DuckDBPyConnection) -> None:
    """Which deliveries to take. Payloads stay where they were staged: copied along they cost more than the merge."""
    con.execute(
        """
        create or replace temp table known_entities as
        select entity_id, updated_at, fetched_at, content_hash from linkt.entities
        where entity_id in (select entity_id from delivered)
        """
    )
    con.execute(
        """
        create or replace temp table changed_entities as
        with newest as (
            select delivery, entity_id, updated_at, fetched_at, content_hash from delivered
            qualify row_number() over (
                partition by entity_id order by updated_at desc nulls last, fetched_at desc, content_hash desc
            ) = 1
        )
        select newest.delivery, newest.entity_id, known.entity_id is null as is_new
        from newest left join known_entities as known on known.entity_id = newest.entity_id
        where is_new
            or coalesce(newest.updated_at, '-infinity') > coalesce(known.updated_at, '-infinity')
            or (
                newest.updated_at is not distinct from known.updated_at
                and newest.content_hash <> known.content_hash
                and (newest.fetched_at, newest.content_hash) > (known.fetched_at, known.content_hash)
            )
        """
    )


def _cut_out(con: duckdb.DuckDBPyConnection) -> None:
    """The objects inside the payloads that will be written, cut out by one parse of each."""
    con.execute(
        """
        create or replace temp table cut_out as
        select delivery, parts[1] as data, nullif(parts[2], 'null') as duplicate_info
        from (
            select delivery, json_extract(payload, ['$.data', '$.duplicate_info']) as parts from delivered
            where delivery in (select delivery from changed_entities union select delivery from missing_versions)
        )
        """
    )
