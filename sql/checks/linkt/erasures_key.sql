-- description: Every row has its erasure_id, and no two rows have the same.
-- model: linkt.run_resources
-- severity: error
select
    erasure_id,
    count(*) as "rows"
from linkt.erasures
group by erasure_id
having count(*) > 1 or erasure_id is null
