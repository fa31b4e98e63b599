-- description: Every attempt of this deployment to start a Linkt run, with the task it was made for and how it ended.
-- grain: one row per attempt (execution).
-- materialized: view
-- unique: execution_id
-- not_null: execution_id, task_key, state
-- column execution_id: Id of the attempt, given by this deployment before anything is sent.
-- column task_key: Name of the task in tasks.yaml.
-- column task_id: Linkt's id of the task.
-- column icp_id: Linkt's id of the ICP the run works for.
-- column parameters: Parameters sent with the request.
-- column attempt: 1 for the first try of an intention, 2 and up for its retries.
-- column state: Where the attempt stands: intended, unknown, started, finished, refused or lost.
-- column run_id: The Linkt run it started; empty if none was.
-- column run_status: Last status seen of that run, as sent.
-- column error_kind: Kind of failure, classified from the error text; empty without one.
-- column dagster_run_id: The Dagster run that made the attempt.
-- column intended_at: When the intention was written down, before the request.
-- column started_at: When the run id was known.
-- column finished_at: When the run was seen in a final status.
-- column waited_seconds: Seconds from the run id to the final status.
-- column last_error: Last error text of the attempt.
select
    execution_id,
    task_key,
    task_id,
    icp_id,
    parameters,
    attempt,
    state,
    run_id,
    run_status,
    error_kind,
    dagster_run_id,
    intended_at,
    started_at,
    finished_at,
    epoch(finished_at - started_at) as waited_seconds,
    last_error
from linkt.executions
