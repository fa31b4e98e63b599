-- description: Every named id is pending, landed, missing, rejected or erased: the five add up to what the runs named.
-- model: linkt.run_resources
-- severity: error
select
    run_id,
    resource_type,
    action,
    resource_id,
    state
from linkt.run_resources
where state is null or state not in ('pending', 'landed', 'missing', 'rejected', 'erased')
