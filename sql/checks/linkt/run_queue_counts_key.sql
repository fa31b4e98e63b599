-- description: Every row has its run_id, state, and no two rows have the same.
-- model: linkt.run_queue_counts
-- severity: error
select
    run_id,
    state,
    count(*) as "rows"
from linkt.run_queue_counts
group by run_id, state
having count(*) > 1 or run_id is null or state is null
