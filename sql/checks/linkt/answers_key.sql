-- description: Every row has its question, task_key, execution_id, and no two rows have the same.
-- model: linkt.executions
-- severity: error
select
    question,
    task_key,
    execution_id,
    count(*) as "rows"
from linkt.answers
group by question, task_key, execution_id
having count(*) > 1 or question is null or task_key is null or execution_id is null
