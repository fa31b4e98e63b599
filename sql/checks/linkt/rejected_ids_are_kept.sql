-- description: Every id booked as rejected is in linkt.rejects with the reason.
-- model: linkt.run_resources
-- severity: error
select
    run_id,
    resource_type,
    resource_id
from linkt.run_resources as named
anti join linkt.rejects as kept
    on kept.resource_type = named.resource_type and kept.resource_id = named.resource_id
where state = 'rejected'
