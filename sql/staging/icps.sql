-- description: Ideal customer profiles: what Linkt looks for.
-- grain: one row per ICP.
-- materialized: view
-- unique: icp_id
-- not_null: icp_id
-- column icp_id: Linkt's id of the ICP.
-- column name: Name given in Linkt.
-- column description: Description given in Linkt (the criteria are in the targets).
-- column entity_targets: Types of entity it looks for, with criteria and desired counts, as sent.
-- column target_count: Number of targets; an ICP without any finds nothing.
-- column created_at: When Linkt made it.
-- column updated_at: When Linkt last changed it.
-- column fetched_at: When this deployment last saw a change of it.
select
    icp_id,
    name,
    description,
    entity_targets,
    coalesce(json_array_length(entity_targets), 0)::bigint as target_count,
    created_at,
    updated_at,
    fetched_at
from linkt.icps
