-- description: Every id booked as landed is in linkt.entities or linkt.signals.
-- model: linkt.run_resources
-- severity: error
select
    run_id,
    resource_type,
    resource_id
from linkt.run_resources as named
anti join linkt.entities as entity on entity.entity_id = named.resource_id
where resource_type = 'entity' and state = 'landed'
union all
select
    run_id,
    resource_type,
    resource_id
from linkt.run_resources as named
anti join linkt.signals as signal on signal.signal_id = named.resource_id
where resource_type = 'signal' and state = 'landed'
