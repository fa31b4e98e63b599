-- description: Entities that are known in a CRM, or another system, by an id of its own.
-- grain: one row per entity that carries an external id.
-- materialized: table
-- unique: entity_id
-- not_null: entity_id, external_source, external_id, root_entity_id
-- references: entity_id -> staging.entities.entity_id
-- column entity_id: The entity.
-- column entity_type: Its type.
-- column external_source: System that owns the external id, such as salesforce; unknown where Linkt does not say.
-- column external_id: Id of the entity's record there. Copies of an entity in other ICPs carry the same one.
-- column root_entity_id: The entity that stands for it and all its copies; itself where it is no copy.
select
    entity.entity_id,
    entity.entity_type,
    coalesce(entity.external_source, 'unknown') as external_source,
    entity.external_id,
    coalesce(root.root_entity_id, entity.entity_id) as root_entity_id
from staging.entities as entity
left join staging.entity_roots as root on entity.entity_id = root.entity_id
where entity.external_id is not null
