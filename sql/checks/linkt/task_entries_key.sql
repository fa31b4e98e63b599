-- description: Every row has its task_key, and no two rows have the same.
-- model: linkt.task_entries
-- severity: error
select
    task_key,
    count(*) as "rows"
from linkt.task_entries
group by task_key
having count(*) > 1 or task_key is null
