-- description: Every landed Linkt run, started here or elsewhere, with the task it belongs to and what it cost.
-- grain: one row per run.
-- materialized: view
-- unique: run_id
-- not_null: run_id, task, spent_at
-- references: task_id -> staging.tasks.task_id
-- references: icp_id -> staging.icps.icp_id
-- column run_id: Linkt's id of the run.
-- column task: Name to show for its task, from staging.task_names. For a run of no known task its kind, with "(no task)"
--   behind it where a task is called so; "unknown" where it has no kind.
-- column task_key: Entry of tasks.yaml that started the run; empty for runs started elsewhere.
-- column started_elsewhere: True if no execution of this deployment started it (a Linkt schedule, the dashboard).
-- column task_id: Linkt's id of the task, as the run was started here, else as it says; empty on some legacy runs.
-- column task_type: search, ingest, signal or profile; empty on legacy runs.
-- column icp_id: ICP of the run; may be empty.
-- column icp_name: Name of that ICP.
-- column flow_run_id: Id in Linkt's workflow engine.
-- column status: Status as sent.
-- column status_normalised: The one of Linkt's eight states that the status means, whatever its spelling; empty for others.
-- column is_success: True for COMPLETED, false for the other final statuses, empty while it runs.
-- column input: Parameters of the run, as sent.
-- column output_version: Version of the output; empty if there was none.
-- column total_credits: Total as sent; empty if the output did not say.
-- column credits: What the run cost: the total, else the sum of the breakdown; empty if it says neither.
-- column run_time_seconds: Working time that Linkt reports.
-- column error: Error text, as sent.
-- column error_kind: Kind of failure, classified from the error text.
-- column created_at: When the run was made, as sent.
-- column spent_at: When the run was made; where that is missing or can't be, when it was started here, else the time in its
--   id, else when it was read.
-- column timezone: Time zone of its days and months: that of its task, else of the deployment (tasks.yaml).
-- column spent_on: Day of spent_at in that zone.
-- column updated_at: When it last changed; for a final status, about when it ended.
-- column fetched_at: When this deployment last saw a change of it.
with names as (
    select * from staging.task_names
)

select
    run.run_id,
    coalesce(
        name.task,
        -- A legacy run of no task is not taken for one of a task that happens to be called like its kind.
        run.task_type || case when run.task_type in (select names.task from names) then ' (no task)' else '' end,
        'unknown'
    ) as task,
    cost.task_key,
    cost.execution_id is null as started_elsewhere,
    cost.task_id,
    run.task_type,
    run.icp_id,
    icp.name as icp_name,
    run.flow_run_id,
    run.status,
    run.status_normalised,
    case
        when run.status_normalised = 'COMPLETED' then true
        when run.status_normalised in ('FAILED', 'CANCELED', 'CRASHED') then false
    end as is_success,
    run.input,
    run.output_version,
    run.total_credits,
    cost.credits,
    run.run_time_seconds,
    run.error,
    run.error_kind,
    run.created_at,
    cost.spent_at,
    coalesce(budget.timezone, zone.timezone) as timezone,
    cast(timezone(coalesce(budget.timezone, zone.timezone), cost.spent_at) as date) as spent_on,
    run.updated_at,
    run.fetched_at
from linkt.runs as run
inner join linkt.run_costs as cost on run.run_id = cost.run_id
cross join staging.time_zone as zone
left join staging.task_budgets as budget on lower(cost.task_id) = budget.task_id
left join names as name on cost.task_id = name.task_id
left join linkt.icps as icp on run.icp_id = icp.icp_id
