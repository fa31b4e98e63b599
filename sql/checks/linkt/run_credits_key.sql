-- description: Every row has its run_id, action_type, and no two rows have the same.
-- model: linkt.run_credits
-- severity: error
select
    run_id,
    action_type,
    count(*) as "rows"
from linkt.run_credits
group by run_id, action_type
having count(*) > 1 or run_id is null or action_type is null
