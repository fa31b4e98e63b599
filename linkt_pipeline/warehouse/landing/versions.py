"""The history of entities: one row per real change, whatever order the versions arrive in."""

import duckdb

from linkt_pipeline.warehouse.landing.staging import count

# entities.py staged `delivered`, `known_entities` and, before appending, `cut_out`.
# A stored entity takes part as a version too: a mere touch moves
# its updated_at without a version of its own, and an older version arriving late would otherwise hide the return to it.
_MISSING_VERSIONS = """
create or replace temp table missing_versions as
with versions as (
    select entity_id, content_hash, updated_at, fetched_at, delivery, false as is_stored from delivered
    union all
    select entity_id, content_hash, updated_at, fetched_at, null, false from known_entities
    union all
    select entity_id, content_hash, updated_at, fetched_at, null, true from linkt.entity_versions
    where entity_id in (select entity_id from delivered)
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
spans as (
    select *, count(*) filter (is_change) over (partition by entity_id order by place) as span from ordered
)
select entity_id, content_hash, updated_at, fetched_at, delivery
from spans
qualify not bool_or(is_stored) over (partition by entity_id, span)
    and row_number() over (partition by entity_id, span order by place) = 1
"""

_RUNS_OF_VERSIONS = """
create or replace temp table naming_runs as
select named.resource_id as entity_id,
    max_by(named.run_id, (coalesce(runs.updated_at, runs.created_at, runs.fetched_at), named.run_id)) as run_id
from linkt.run_resources as named
join linkt.runs as runs on runs.run_id = named.run_id
where named.resource_type = 'entity' and named.resource_id in (select entity_id from missing_versions)
group by all
"""

_COLUMNS = """entity_id, content_hash, run_id, fetched_at, updated_at, sheet_id, icp_id, entity_type, parent_id, status,
    comments, data, duplicate_info"""

_FROM_DELIVERY = f"""
insert into linkt.entity_versions ({_COLUMNS})
select d.entity_id, d.content_hash, naming_runs.run_id, d.fetched_at, d.updated_at, d.sheet_id, d.icp_id,
    d.entity_type, d.parent_id, d.status, d.comments, cut_out.data, cut_out.duplicate_info
from missing_versions join delivered as d using (delivery) join cut_out using (delivery)
left join naming_runs on naming_runs.entity_id = d.entity_id
"""  # noqa: S608

_FROM_STORE = f"""
insert into linkt.entity_versions ({_COLUMNS})
select e.entity_id, e.content_hash, naming_runs.run_id, e.fetched_at, e.updated_at, e.sheet_id, e.icp_id,
    e.entity_type, e.parent_id, e.status, e.comments, e.data, e.duplicate_info
from missing_versions join linkt.entities as e using (entity_id)
left join naming_runs on naming_runs.entity_id = e.entity_id
where missing_versions.delivery is null
"""  # noqa: S608


def find_missing_versions(con: duckdb.DuckDBPyConnection) -> None:
    """Note the delivered versions that the history lacks. Must run before ``linkt.entities`` takes the delivery in."""
    con.execute(_MISSING_VERSIONS)
    con.execute(_RUNS_OF_VERSIONS)


def append_versions(con: duckdb.DuckDBPyConnection) -> int:
    """Append the delivered versions that differ from the one before and the one after them.

    Re-deliveries and mere touches add nothing; A, B, A in this order are three rows; an older version that arrives
    late is added. :func:`find_missing_versions` must have run before, ``linkt.entities`` not be changed yet.

    Returns:
        Rows appended.
    """
    appended = count(con, _FROM_DELIVERY)
    if count(con, "select count(*) from missing_versions where delivery is null"):
        appended += count(con, _FROM_STORE)
    return appended
