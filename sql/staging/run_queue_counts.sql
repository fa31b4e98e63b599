-- description: Last queue counts seen of a run: how many candidates were queued, taken or discarded. Linkt forgets
--   them after a while, so not every run has any.
-- grain: one row per run and queue state.
-- materialized: view
-- unique: run_id, state
-- not_null: run_id, state
-- column run_id: The run.
-- column state: queued, processing, completed or discarded.
-- column entities: Candidates in that state.
-- column observed_at: When they were counted.
select
    run_id,
    state,
    entities,
    observed_at
from linkt.run_queue_counts
