-- description: What each ICP looks for: types of entity, with the number wanted for each parent.
-- grain: one row per ICP and place in its list of targets.
-- materialized: view
-- unique: icp_id, position
-- not_null: icp_id, position
-- references: icp_id -> staging.icps.icp_id
-- column icp_id: The ICP.
-- column position: Place in the list, from 1.
-- column entity_type: company, person or another type of Linkt's, in lower case.
-- column description: Criteria and fields wanted, as written in Linkt.
-- column is_root: True for what is searched first; the others belong to one of those.
-- column desired_count: How many are wanted for each parent; empty where Linkt does not say.
with targets as (
    select
        icp_id,
        from_json(entity_targets, '["JSON"]') as target
    from staging.icps
    where json_type(entity_targets) = 'ARRAY'
)

select
    icp_id,
    unnest(range(1, len(target) + 1)) as position,
    linkt_word(unnest(target) ->> '$.entity_type') as entity_type,
    unnest(target) ->> '$.description' as description,
    try_cast(unnest(target) ->> '$.root' as boolean) as is_root,
    try_cast(unnest(target) ->> '$.desired_count' as integer) as desired_count
from targets
