-- description: Every row has its task_id, and no two rows have the same.
-- model: linkt.tasks
-- severity: error
select
    task_id,
    count(*) as "rows"
from linkt.tasks
group by task_id
having count(*) > 1 or task_id is null
