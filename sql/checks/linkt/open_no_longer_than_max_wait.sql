-- description: No execution is open for longer than its task's max_wait; materialize the task again to go on waiting.
-- model: linkt.executions
-- severity: warn
select
    execution_id,
    execution.task_key,
    state,
    run_id,
    intended_at
from linkt.executions as execution
left join linkt.task_entries as entry on entry.task_key = execution.task_key
where state in ('intended', 'unknown', 'started')
    -- Four hours are the default of tasks.yaml.
    and intended_at + to_seconds(coalesce(entry.max_wait_seconds, 14400)) < now()
