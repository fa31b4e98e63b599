-- description: Every id in a run's own lists has a row that says what became of it.
-- model: linkt.run_resources
-- severity: error
with lists as (
    select run_id, 'entity' as resource_type, 'created' as action,
        payload ->> '$.output.resources.entities_created[*]' as ids
    from linkt.runs
    union all
    select run_id, 'entity', 'updated', payload ->> '$.output.resources.entities_updated[*]' from linkt.runs
    union all
    select run_id, 'signal', 'created', payload ->> '$.output.resources.signals_created[*]' from linkt.runs
),

counted as (
    select
        run_id,
        resource_type,
        action,
        len(list_filter(list_distinct(ids), lambda id: id <> '')) as named,
        (
            select count(*)
            from linkt.run_resources as resource
            where resource.run_id = lists.run_id
                and resource.resource_type = lists.resource_type
                and resource.action = lists.action
        ) as booked
    from lists
)

select
    run_id,
    resource_type,
    action,
    named,
    booked
from counted
where booked < named
