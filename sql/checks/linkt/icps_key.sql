-- description: Every row has its icp_id, and no two rows have the same.
-- model: linkt.icps
-- severity: error
select
    icp_id,
    count(*) as "rows"
from linkt.icps
group by icp_id
having count(*) > 1 or icp_id is null
