-- description: What each task brings for its credits, over all its finished runs. Ratios leave out runs whose cost is not
--   known, on both sides; an "all in" ratio has everything else in it: failed runs, empty ones, those that only updated.
--   Credits of a run that brought entities and signals are divided by their number, each entity once, so that none counts
--   twice.
-- grain: one row per Linkt task; runs of no known task by their kind.
-- materialized: table
-- unique: task
-- not_null: task, runs
-- column task_id: Linkt's id of the task; empty for runs of no known task.
-- column task: Name to show for the task; one a task, see staging.task_names.
-- column task_type: Kind of its runs; the commonest if there are several.
-- column runs: Finished runs.
-- column successful_runs: Runs that COMPLETED.
-- column success_rate: Successful runs by finished runs, 0 to 1.
-- column entities_created: Entities its runs name as created.
-- column entities_updated: Entities they name as updated.
-- column entities_touched: Entities they name as created or updated; each counts once a run.
-- column signals_created: Signals they name.
-- column total_credits: What its runs cost; empty if no run says.
-- column unknown_cost_runs: Finished runs that state neither a total nor a breakdown; in no figure about credits.
-- column failed_credits: Credits of runs that did not complete, part of the total; empty if none of them says.
-- column credits_per_run: Total by the runs whose cost is known.
-- column credits_per_result: All in: total by created entities, updated entities and signals; empty without any.
-- column credits_per_entity_all_in: All in: total by created entities. Of a task that brings signals too, the share of
--   entities in its results. Empty if none was created.
-- column credits_per_signal_all_in: All in: total by signals, of a task that brings entities too the share of signals.
-- column credits_per_touched_entity: All in: as credits_per_entity_all_in, by created and updated entities together.
-- column credits_per_entity: Credits of the runs that created entities, by those entities. In: what these runs updated
--   beside it. Out: runs that created none, such as failed and empty ones and those that only updated.
-- column credits_per_signal: Credits of the runs that brought signals, by those signals. Out: runs that brought none.
-- column update_only_runs: Runs that updated entities and brought nothing new.
-- column update_only_credits: Credits of these runs, part of the total; empty if none of them says.
-- column credits_per_update: Credits of these runs by the entities they updated. Out: updates beside something new.
-- column empty_runs: Runs that named no entity and no signal, failed ones included.
-- column empty_run_credits: Credits of these runs, part of the total; empty if none of them says.
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
),

runs as (
    select
        run.*,
        queues.kept,
        queues.discarded,
        run.results = 0 as is_empty,
        run.entities_created = 0 and run.signals_created = 0 and run.entities_updated > 0 as is_update_only,
        run.credits * run.entities_touched / nullif(run.entities_touched + run.signals_created, 0) as entity_credits,
        run.credits * run.signals_created / nullif(run.entities_touched + run.signals_created, 0) as signal_credits
    from marts.run_history as run
    left join queues on run.run_id = queues.run_id
    where run.is_success is not null
),

tasks as (
    select
        task_id,
        task,
        mode(task_type) as task_type,
        count(run_id) as runs,
        count(*) filter (where is_success) as successful_runs,
        sum(entities_created)::bigint as entities_created,
        sum(entities_updated)::bigint as entities_updated,
        sum(entities_touched)::bigint as entities_touched,
        sum(signals_created)::bigint as signals_created,
        fsum(credits) as total_credits,
        count(*) filter (where credits is null) as unknown_cost_runs,
        fsum(credits) filter (where not is_success) as failed_credits,
        fsum(entity_credits) filter (where entities_created > 0) as entity_credits,
        fsum(signal_credits) filter (where signals_created > 0) as signal_credits,
        count(*) filter (where is_update_only) as update_only_runs,
        fsum(credits) filter (where is_update_only) as update_only_credits,
        count(*) filter (where is_empty) as empty_runs,
        fsum(credits) filter (where is_empty) as empty_run_credits,
        -- What the known credits were spent on.
        sum(results) filter (where credits is not null) as paid_results,
        sum(entities_created) filter (where credits is not null) as paid_entities,
        sum(entities_touched) filter (where credits is not null) as paid_touched,
        sum(signals_created) filter (where credits is not null) as paid_signals,
        sum(entities_updated) filter (where is_update_only and credits is not null) as paid_updates,
        sum(kept)::bigint as candidates_kept,
        sum(discarded)::bigint as candidates_discarded,
        median(run_time_seconds) filter (where is_success) as median_run_time_seconds,
        max(spent_at) as last_run_at
    from runs
    group by task_id, task
),

divided as (
    select
        *,
        total_credits * paid_touched / nullif(paid_touched + paid_signals, 0) as all_entity_credits,
        total_credits * paid_signals / nullif(paid_touched + paid_signals, 0) as all_signal_credits
    from tasks
)

select
    task_id,
    task,
    task_type,
    runs,
    successful_runs,
    successful_runs / runs as success_rate,
    entities_created,
    entities_updated,
    entities_touched,
    signals_created,
    total_credits,
    unknown_cost_runs,
    failed_credits,
    total_credits / nullif(runs - unknown_cost_runs, 0) as credits_per_run,
    total_credits / nullif(paid_results, 0) as credits_per_result,
    all_entity_credits / nullif(paid_entities, 0) as credits_per_entity_all_in,
    all_signal_credits / nullif(paid_signals, 0) as credits_per_signal_all_in,
    all_entity_credits / nullif(paid_touched, 0) as credits_per_touched_entity,
    entity_credits / nullif(paid_entities, 0) as credits_per_entity,
    signal_credits / nullif(paid_signals, 0) as credits_per_signal,
    update_only_runs,
    update_only_credits,
    update_only_credits / nullif(paid_updates, 0) as credits_per_update,
    empty_runs,
    empty_run_credits,
    candidates_kept,
    candidates_discarded,
    candidates_discarded / nullif(candidates_kept + candidates_discarded, 0) as discard_rate,
    median_run_time_seconds,
    last_run_at
from divided
