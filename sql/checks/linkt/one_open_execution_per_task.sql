-- description: No task has two executions open: one intention is one Linkt run.
-- model: linkt.executions
-- severity: error
select
    task_key,
    count(*) as open
from linkt.executions
where state in ('intended', 'unknown', 'started')
group by task_key
having count(*) > 1
