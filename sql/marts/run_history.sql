-- description: Every run with its duration against what Linkt documents, its yield, its cost and why it failed.
-- grain: one row per run.
-- materialized: table
-- unique: run_id
-- not_null: run_id, task, spent_at, entities_created, entities_updated, signals_created
-- column run_id: Linkt's id of the run.
-- column task_id: Linkt's id of the task; empty on legacy runs that nothing says more of.
-- column task: Name to show for its task; one a task, see staging.task_names.
-- column task_key: Entry of tasks.yaml that started it; empty for runs started elsewhere.
-- column started_elsewhere: True if this deployment did not start it.
-- column task_type: search, ingest, signal or profile; empty on legacy runs.
-- column icp_id: ICP of the run.
-- column icp_name: Name of that ICP.
-- column status: Status as sent.
-- column status_normalised: The one of Linkt's eight states that the status means, whatever its spelling.
-- column is_success: True for COMPLETED, false for other final statuses.
-- column failure_kind: Kind of failure: rate_limit, invalid_configuration, sheet_capacity, timeout, provider_error, other;
--   canceled for a cancelled run, crashed for one that crashed without an error text.
-- column error: Error text as sent.
-- column created_at: When the run was made, as sent.
-- column spent_at: When it was made; where Linkt's time is missing or can't be, the best time there is. The day and month
--   of its credits, in the time zone of its task.
-- column spent_on: Day of it, in the time zone of the task, else of the deployment (timezone in tasks.yaml).
-- column ended_at: When a finished run last changed, which is about when it ended.
-- column run_time_seconds: Working time that Linkt reports.
-- column wall_seconds: Seconds from made to ended.
-- column expected_low_seconds: Lower end of the documented duration: search 15 min, ingest 1 min per row given
--   (input_entities), else per created or updated entity; none for others.
-- column expected_high_seconds: Upper end: search 20 min ("15 to 20+"), ingest 1 min per row.
-- column duration_verdict: Against the documentation: shorter, as documented (within a fifth), or longer, by the working time,
--   else by wall_seconds; empty if nothing is documented, and for runs that did not complete. Linkt documents less than
--   most runs take, so see duration_against_task too.
-- column task_median_seconds: Median time of the task's successful runs, this one included.
-- column duration_against_task: Against that median: shorter (less than half), usual, or longer (more than twice); empty for
--   runs without success and for tasks with fewer than three successful runs.
-- column entities_created: Entities the run names as created.
-- column entities_updated: Entities it names as updated.
-- column entities_touched: Entities it names, created or updated, each counted once.
-- column signals_created: Signals it names.
-- column results: Created entities, updated entities and signals together.
-- column results_landed: How many of those are landed.
-- column results_open: How many are still pending.
-- column results_lost: How many are missing in Linkt, were rejected, or were erased here on request.
-- column credits: What the run cost: the total, else the sum of the breakdown; empty if Linkt says neither.
-- column total_credits: The same, under its older name.
-- column credits_per_result: Credits by results, updated entities included; empty without a result.
-- column candidates_discarded: Candidates that Linkt looked at and dropped; empty if the queue was never read.
-- column fetched_at: When this deployment last saw a change of the run.
with yields as (
    select
        run_id,
        count(*) filter (where resource_type = 'entity' and action = 'created') as entities_created,
        count(*) filter (where resource_type = 'entity' and action = 'updated') as entities_updated,
        count(distinct resource_id) filter (where resource_type = 'entity') as entities_touched,
        count(*) filter (where resource_type = 'signal') as signals_created,
        count(resource_id) as results,
        count(*) filter (where state = 'landed') as results_landed,
        count(*) filter (where state = 'pending') as results_open,
        count(*) filter (where state in ('missing', 'rejected', 'erased')) as results_lost
    from staging.run_resources
    group by run_id
),

queues as (
    select
        run_id,
        coalesce(sum(entities) filter (where lower(state) = 'discarded'), 0)::bigint as candidates_discarded
    from staging.run_queue_counts
    group by run_id
),

runs as (
    select
        run.*,
        coalesce(yields.entities_created, 0) as entities_created,
        coalesce(yields.entities_updated, 0) as entities_updated,
        coalesce(yields.entities_touched, 0) as entities_touched,
        coalesce(yields.signals_created, 0) as signals_created,
        coalesce(yields.results, 0) as results,
        coalesce(yields.results_landed, 0) as results_landed,
        coalesce(yields.results_open, 0) as results_open,
        coalesce(yields.results_lost, 0) as results_lost,
        queues.candidates_discarded,
        case when run.is_success is not null then run.updated_at end as ended_at,
        coalesce(
            nullif(json_array_length(run.input -> '$.parameters.input_entities'), 0),
            nullif(coalesce(yields.entities_created, 0) + coalesce(yields.entities_updated, 0), 0)
        ) as rows_ingested
    from staging.runs as run
    left join yields on run.run_id = yields.run_id
    left join queues on run.run_id = queues.run_id
),

durations as (
    select
        *,
        epoch(ended_at - created_at) as wall_seconds,
        case when is_success is not null then coalesce(run_time_seconds, epoch(ended_at - created_at)) end as seconds,
        case lower(task_type) when 'search' then 900.0 when 'ingest' then 60.0 * rows_ingested end
            as expected_low_seconds,
        case lower(task_type) when 'search' then 1200.0 when 'ingest' then 60.0 * rows_ingested end
            as expected_high_seconds
    from runs
),

tasks as (
    select
        task_id,
        task,
        median(seconds) as task_median_seconds,
        count(seconds) as timed_runs
    from durations
    where is_success
    group by task_id, task
)

select
    run.run_id,
    run.task_id,
    run.task,
    task_key,
    started_elsewhere,
    task_type,
    icp_id,
    icp_name,
    status,
    status_normalised,
    is_success,
    -- Landing classifies every error text, an empty one as "other".
    case
        when is_success then null
        when status_normalised = 'CANCELED' then 'canceled'
        when status_normalised = 'CRASHED' and coalesce(error, '') = '' then 'crashed'
        when status_normalised in ('FAILED', 'CRASHED') then coalesce(error_kind, 'other')
    end as failure_kind,
    error,
    created_at,
    spent_at,
    spent_on,
    ended_at,
    run_time_seconds,
    wall_seconds,
    expected_low_seconds,
    expected_high_seconds,
    case
        when not is_success then null
        -- "About a minute a row" is no promise to the second.
        when seconds < expected_low_seconds * 0.8 then 'shorter'
        when seconds > expected_high_seconds * 1.2 then 'longer'
        when seconds is not null and expected_low_seconds is not null then 'as documented'
    end as duration_verdict,
    tasks.task_median_seconds,
    case
        when not run.is_success or tasks.timed_runs < 3 then null
        when run.seconds < tasks.task_median_seconds / 2 then 'shorter'
        when run.seconds > tasks.task_median_seconds * 2 then 'longer'
        when run.seconds is not null then 'usual'
    end as duration_against_task,
    entities_created,
    entities_updated,
    entities_touched,
    signals_created,
    results,
    results_landed,
    results_open,
    results_lost,
    credits,
    credits as total_credits,
    credits / nullif(results, 0) as credits_per_result,
    candidates_discarded,
    fetched_at
from durations as run
left join tasks on run.task_id is not distinct from tasks.task_id and run.task = tasks.task
