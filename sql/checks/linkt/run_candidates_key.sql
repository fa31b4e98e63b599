-- description: Every row has its run_id, position, and no two rows have the same.
-- model: linkt.run_candidates
-- severity: error
select
    run_id,
    position,
    count(*) as "rows"
from linkt.run_candidates
group by run_id, position
having count(*) > 1 or run_id is null or position is null
