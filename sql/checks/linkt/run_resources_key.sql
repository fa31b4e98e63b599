-- description: Every row has its run_id, resource_type, action, resource_id, and no two rows have the same.
-- model: linkt.run_resources
-- severity: error
select
    run_id,
    resource_type,
    action,
    resource_id,
    count(*) as "rows"
from linkt.run_resources
group by run_id, resource_type, action, resource_id
having count(*) > 1 or run_id is null or resource_type is null or action is null or resource_id is null
