-- description: Every execution that is finished has its run in linkt.runs, or in linkt.rejects with the reason.
-- model: linkt.executions
-- severity: error
select
    execution_id,
    task_key,
    execution.run_id
from linkt.executions as execution
anti join linkt.runs as runs on runs.run_id = execution.run_id
anti join linkt.rejects as kept on kept.resource_type = 'run' and kept.resource_id = execution.run_id
where state = 'finished' and execution.run_id is not null
