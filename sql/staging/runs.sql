-- description: Every landed Linkt run, started here or elsewhere, with the task it belongs to.
-- grain: one row per run.
-- materialized: view
-- unique: run_id
-- not_null: run_id, task
-- references: task_id -> staging.tasks.task_id
-- references: icp_id -> staging.icps.icp_id
-- column run_id: Linkt's id of the run.
-- column task: Name to show: the entry of tasks.yaml that started the run; for a run started elsewhere the only entry that
--   ever executed its task, else the task's name in Linkt, else its id, else the kind of task.
-- column task_key: Entry of tasks.yaml that started the run; empty for runs started elsewhere.
-- column started_elsewhere: True if no execution of this deployment started it (a Linkt schedule, the dashboard).
-- column task_id: Linkt's id of the task; empty on legacy runs.
-- column task_type: search, ingest, signal or profile; empty on legacy runs.
-- column icp_id: ICP of the run; may be empty.
-- column icp_name: Name of that ICP.
-- column flow_run_id: Id in Linkt's workflow engine.
-- column status: Status as landed.
-- column is_success: True for COMPLETED, false for the other final statuses, empty while it runs.
-- column input: Parameters of the run, as sent.
-- column output_version: Version of the output; empty if there was none.
-- column total_credits: Credits spent; empty if the output did not say.
-- column run_time_seconds: Working time that Linkt reports.
-- column error: Error text, as sent.
-- column error_kind: Kind of failure, classified from the error text.
-- column created_at: When the run was made.
-- column updated_at: When it last changed; for a final status, about when it ended.
-- column fetched_at: When this deployment last saw a change of it.
with executed as (
    select
        run_id,
        task_id,
        task_key,
        intended_at
    from linkt.executions
    where run_id is not null
),

started_here as (
    select
        run_id,
        arg_max(task_key, intended_at) as task_key
    from executed
    group by run_id
),

-- Where several entries execute one task, none of them speaks for its other runs.
only_entries as (
    select
        task_id,
        min(task_key) as task_key
    from executed
    group by task_id
    having count(distinct task_key) = 1
)

select
    run.run_id,
    coalesce(
        started_here.task_key, only_entry.task_key, task.name, run.task_id, run.task_type, 'unknown'
    ) as task,
    started_here.task_key,
    started_here.run_id is null as started_elsewhere,
    run.task_id,
    run.task_type,
    run.icp_id,
    icp.name as icp_name,
    run.flow_run_id,
    run.status,
    case
        when run.status = 'COMPLETED' then true
        when run.status in ('FAILED', 'CANCELED', 'CRASHED') then false
    end as is_success,
    run.input,
    run.output_version,
    run.total_credits,
    run.run_time_seconds,
    run.error,
    run.error_kind,
    run.created_at,
    run.updated_at,
    run.fetched_at
from linkt.runs as run
left join started_here on run.run_id = started_here.run_id
left join only_entries as only_entry on run.task_id = only_entry.task_id
left join linkt.tasks as task on run.task_id = task.task_id
left join linkt.icps as icp on run.icp_id = icp.icp_id
