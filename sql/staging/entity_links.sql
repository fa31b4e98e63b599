-- description: How entities hang together: people and their companies, copies and their originals.
-- grain: one row per entity, kind of link and linked entity.
-- materialized: view
-- published: view
-- unique: entity_id, link_type, linked_entity_id
-- not_null: entity_id, link_type, linked_entity_id
-- references: linked_entity_id -> staging.entities.entity_id
-- column entity_id: The entity that has the link.
-- column entity_type: Its type.
-- column link_type: parent (belongs to), duplicate_of (is a copy of) or has_duplicate (has as a copy).
-- column linked_entity_id: The entity at the other end; may not be landed.
-- column fetched_at: When this deployment landed the version that says so.
select
    entity_id,
    entity_type,
    'parent' as link_type,
    parent_id as linked_entity_id,
    fetched_at
from staging.entities
where parent_id is not null
union all
select
    entity_id,
    entity_type,
    'duplicate_of' as link_type,
    primary_entity_id as linked_entity_id,
    fetched_at
from staging.entities
where primary_entity_id is not null
union all
select
    entity_id,
    entity_type,
    'has_duplicate' as link_type,
    unnest(list_distinct(list_filter(
        from_json(duplicate_info -> '$.duplicate_entity_ids', '["VARCHAR"]'), lambda id: id is not null
    ))) as linked_entity_id,
    fetched_at
from staging.entities
where json_type(duplicate_info -> '$.duplicate_entity_ids') = 'ARRAY'
