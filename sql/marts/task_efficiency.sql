-- description: What each task brings for its credits, over all its finished runs.
-- grain: one row per task.
-- materialized: table
-- unique: task
-- not_null: task, runs
-- column task: Name to show for the task.
-- column task_type: Kind of its runs; the commonest if there are several.
-- column runs: Finished runs.
-- column successful_runs: Runs that COMPLETED.
-- column success_rate: Successful runs by finished runs, 0 to 1.
-- column entities_created: Entities its runs name as created.
-- column entities_updated: Entities they name as updated.
-- column signals_created: Signals they name.
-- column total_credits: Credits its runs report.
-- column failed_credits: Credits of runs that did not complete, part of the total.
-- column credits_per_run: Total by finished runs.
-- column credits_per_entity: Credits of the runs that created entities, by those entities.
-- column credits_per_signal: Credits of the runs that created signals, by those signals.
-- column empty_run_credits: Credits of runs that created nothing.
-- column candidates_kept: Candidates seen completed in the queue; empty if no queue was ever read.
-- column candidates_discarded: Candidates seen discarded in the queue.
-- column discard_rate: Discarded by kept and discarded, 0 to 1; empty if no queue was ever read.
-- column median_run_time_seconds: Median working time of successful runs.
-- column last_run_at: When its newest run was made.
with queues as (
    select
        run_id,
        coalesce(sum(entities) filter (where lower(state) = 'completed'), 0) as kept,
        coalesce(sum(entities) filter (where lower(state) = 'discarded'), 0) as discarded
    from staging.run_queue_counts
    group by run_id
)

select
    run.task,
    mode(run.task_type) as task_type,
    count(run.run_id) as runs,
    count(run.run_id) filter (where run.is_success) as successful_runs,
    count(run.run_id) filter (where run.is_success) / count(run.run_id) as success_rate,
    sum(run.entities_created)::bigint as entities_created,
    sum(run.entities_updated)::bigint as entities_updated,
    sum(run.signals_created)::bigint as signals_created,
    sum(run.total_credits) as total_credits,
    sum(run.total_credits) filter (where not run.is_success) as failed_credits,
    sum(run.total_credits) / count(run.run_id) as credits_per_run,
    sum(run.total_credits) filter (where run.entities_created > 0)
    / nullif(sum(run.entities_created) filter (where run.total_credits is not null), 0) as credits_per_entity,
    sum(run.total_credits) filter (where run.signals_created > 0)
    / nullif(sum(run.signals_created) filter (where run.total_credits is not null), 0) as credits_per_signal,
    sum(run.total_credits) filter (where run.entities_created = 0 and run.signals_created = 0) as empty_run_credits,
    sum(queues.kept)::bigint as candidates_kept,
    sum(queues.discarded)::bigint as candidates_discarded,
    sum(queues.discarded) / nullif(sum(queues.kept) + sum(queues.discarded), 0) as discard_rate,
    median(run.run_time_seconds) filter (where run.is_success) as median_run_time_seconds,
    max(run.created_at) as last_run_at
from marts.run_history as run
left join queues on run.run_id = queues.run_id
where run.is_success is not null
group by run.task
