-- description: Every row has its run_id, and no two rows have the same.
-- model: linkt.runs
-- severity: error
select
    run_id,
    count(*) as "rows"
from linkt.runs
group by run_id
having count(*) > 1 or run_id is null
