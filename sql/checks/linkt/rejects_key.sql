-- description: Every row has its resource_type, resource_id, and no two rows have the same.
-- model: linkt.run_resources
-- severity: error
select
    resource_type,
    resource_id,
    count(*) as "rows"
from linkt.rejects
group by resource_type, resource_id
having count(*) > 1 or resource_type is null or resource_id is null
