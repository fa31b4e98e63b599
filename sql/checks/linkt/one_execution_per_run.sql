-- description: No run belongs to two executions.
-- model: linkt.executions
-- severity: error
select
    run_id,
    count(*) as executions
from linkt.executions
where run_id is not null
group by run_id
having count(*) > 1
