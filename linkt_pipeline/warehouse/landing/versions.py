"""The history of entities: one row per real change, whatever order the versions arrive in."""

import duckdb

from linkt_pipeline.warehouse.landing.staging import count

# entities.py staged `delivered` and wrote into `decided` which deliveries are versions that the history lacks, from
# the stored rows alone: a stored row is newer than all of an entity's history, and is part of it or a mere touch of
# its last version. That settles it for whatever is newer than the stored row, which is nearly everything.

# What is older has to be held against the whole history. A stored entity takes part as a version too: a mere touch
# moves its updated_at without a version of its own, and an older version arriving late would otherwise hide the
# return to it.
_MISSING_VERSIONS = """
create or replace temp table missing_versions as
with late as (
    select distinct entity_id from decided where is_late
),
versions as (
    select entity_id, content_hash, updated_at, fetched_at, delivery, false as is_stored from delivered
    where entity_id in (from late)
    union all
    select entity_id, content_hash, updated_at, fetched_at, null, false from linkt.entities
    where entity_id in (from late)
    union all
    select entity_id, content_hash, updated_at, fetched_at, null, true from linkt.entity_versions
    where entity_id in (from late)
),
ordered as (
    select *,
        row_number() over in_time as place,
        content_hash is distinct from lag(content_hash) over in_time as is_change
    from versions
    window in_time as (
        partition by entity_id
        order by updated_at nulls first, fetched_at, content_hash, is_stored desc, delivery nulls first
    )
),
-- A span is a stretch of equal contents: one version, which is missing if none of its rows is stored.
spans as (
    select *, count(*) filter (is_change) over (partition by entity_id order by place) as span from ordered
)
select entity_id, delivery
from spans
qualify not bool_or(is_stored) over (partition by entity_id, span)
    and row_number() over (partition by entity_id, span order by place) = 1
"""

_LATE_ONES_DECIDED = """
update decided set is_version = delivery in (select delivery from missing_versions where delivery is not null)
where is_late
"""

_NAMED_LONG_AGO = """
update decided set run_id = named.run_id
from (
    select resource_id,
        max_by(run_id, (coalesce(runs.updated_at, runs.created_at, runs.fetched_at), run_id)) as run_id
    from linkt.run_resources join linkt.runs as runs using (run_id)
    where resource_type = 'entity'
        and resource_id in (select entity_id from decided where (is_version or is_late) and run_id is null)
    group by all
) as named
where decided.entity_id = named.resource_id and decided.run_id is null
"""

_COLUMNS = """entity_id, content_hash, run_id, fetched_at, updated_at, sheet_id, icp_id, entity_type, parent_id, status,
    comments, external_id, external_source, data, duplicate_info"""

_FROM_DELIVERY = f"""
insert into linkt.entity_versions ({_COLUMNS})
select d.entity_id, d.content_hash, decided.run_id, d.fetched_at, d.updated_at, d.sheet_id, d.icp_id,
    d.entity_type, d.parent_id, d.status, d.comments, d.external_id, d.external_source, d.data, d.duplicate_info
from decided join delivered as d on d.delivery = decided.delivery
where decided.is_version
"""  # noqa: S608

_FROM_STORE = f"""
insert into linkt.entity_versions ({_COLUMNS})
select e.entity_id, e.content_hash, named.run_id, e.fetched_at, e.updated_at, e.sheet_id, e.icp_id,
    e.entity_type, e.parent_id, e.status, e.comments, e.external_id, e.external_source, e.data, e.duplicate_info
from missing_versions
join linkt.entities as e on e.entity_id = missing_versions.entity_id
join (select distinct entity_id, run_id from decided) as named on named.entity_id = e.entity_id
where missing_versions.delivery is null
"""  # noqa: S608


def append_versions(con: duckdb.DuckDBPyConnection, *, some_late: bool, some_unasked: bool) -> int:
    """Append the delivered versions that differ from the one before and the one after them.

    Re-deliveries and mere touches add nothing; A, B, A in this order are three rows; an older version that arrives
    late is added. Must run before ``linkt.entities`` takes the delivery in.

    Args:
        con: the transaction in which entities.py has decided.
        some_late: a delivery is older than the stored row of its entity.
        some_unasked: a version is of an entity that no run waits for.

    Returns:
        Rows appended.
    """
    if some_late:
        con.execute(_MISSING_VERSIONS)
        con.execute(_LATE_ONES_DECIDED)
    if some_unasked:
        con.execute(_NAMED_LONG_AGO)
    appended = count(con, _FROM_DELIVERY)
    return appended + count(con, _FROM_STORE) if some_late else appended
