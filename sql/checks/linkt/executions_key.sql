-- description: Every row has its execution_id, and no two rows have the same.
-- model: linkt.executions
-- severity: error
select
    execution_id,
    count(*) as "rows"
from linkt.executions
group by execution_id
having count(*) > 1 or execution_id is null
