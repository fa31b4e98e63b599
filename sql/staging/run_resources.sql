-- description: What each run named as created or updated, and whether it has been landed. It stays landed here when Linkt
--   deletes it later; linkt.entities.deleted_at shows the deletion.
-- grain: one row per run, resource type, action and id.
-- materialized: view
-- published: view
-- unique: run_id, resource_type, action, resource_id
-- not_null: run_id, resource_type, action, resource_id, state
-- references: run_id -> staging.runs.run_id
-- column run_id: The run that named it.
-- column resource_type: entity or signal.
-- column action: created or updated.
-- column resource_id: Id of the entity or signal.
-- column position: Place in the run's list, from 0.
-- column state: pending, landed, missing (Linkt no longer has it), rejected (kept with its payload in linkt.rejects) or
--   erased (removed here on request, and kept out since).
-- column landed_at: When it was settled.
-- column last_error: Why it is not landed, if it is not.
select
    run_id,
    resource_type,
    action,
    resource_id,
    position,
    state,
    landed_at,
    last_error
from linkt.run_resources
