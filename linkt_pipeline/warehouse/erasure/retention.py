"""Erases people who had no activity for as long as ``retention`` in tasks.yaml says."""

from datetime import datetime, timedelta

import duckdb

from linkt_pipeline.warehouse.erasure.records import remove_target, unfinished_erasures, write_erasure
from linkt_pipeline.warehouse.erasure.targets import Kind
from linkt_pipeline.warehouse.warehouse import Warehouse

_AT_ONCE = 1_000  # people of one erasure; the words of all of them are one pattern

# Activity: the newest of what Linkt says of the person, the signals that speak of them, and the runs that named them.
# If none of these is known, the moment counts when the row was read.
_INACTIVE = """
with spoken as (
    select lower(entity_id) as entity_id, max(created_at) as at
    from (select unnest(entity_ids) as entity_id, coalesce(created_at, fetched_at) as created_at from linkt.signals)
    group by lower(entity_id)
),
named as (
    select lower(resource_id) as entity_id, max(coalesce(run.updated_at, run.created_at, run.fetched_at)) as at
    from linkt.run_resources as resource join linkt.runs as run on run.run_id = resource.run_id
    where resource.resource_type = 'entity'
    group by lower(resource_id)
)
select entity.entity_id
from linkt.entities as entity
left join spoken on spoken.entity_id = lower(entity.entity_id)
left join named on named.entity_id = lower(entity.entity_id)
where lower(trim(entity_type)) = 'person'
    and coalesce(greatest(entity.updated_at, entity.created_at, spoken.at, named.at), entity.fetched_at) < $1
order by entity.entity_id
"""


def inactive_people(con: duckdb.DuckDBPyConnection, now: datetime, keep: timedelta) -> list[str]:
    """Ids of people without activity for longer than ``keep``."""
    return [entity_id for (entity_id,) in con.execute(_INACTIVE, [now - keep]).fetchall()]


def remove_inactive(warehouse: Warehouse, now: datetime, keep: timedelta) -> int:
    """Remove people without activity from the landed tables; ``finish_erasures`` finishes the erasure.

    People of an erasure that was begun before and is not finished are left to that erasure.

    Returns:
        How many people.

    Raises:
        ErasureError: see :func:`~linkt_pipeline.warehouse.erasure.removal.remove_from_warehouse`.
    """
    with warehouse.read() as con:
        people = inactive_people(con, now, keep)
    begun_before = {
        entity for erasure in unfinished_erasures(warehouse) if erasure.target for entity in erasure.target.entities
    }
    people = [person for person in people if person.lower() not in begun_before]
    removed = 0
    for place in range(0, len(people), _AT_ONCE):
        with warehouse.write(news=False) as con:
            inactive = set(inactive_people(con, now, keep))  # of some of them something was heard meanwhile
            still = [person for person in people[place : place + _AT_ONCE] if person in inactive]
            begun = write_erasure(con, Kind.RETENTION, still) if still else None
        removed += len(still)
        for erasure in unfinished_erasures(warehouse):
            if erasure.erasure_id == begun:
                remove_target(warehouse, erasure)
    return removed
