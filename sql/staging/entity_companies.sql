-- description: Which company each entity counts towards: a company itself, a copy its original, a person the company it
--   belongs to.
-- grain: one row per entity that is a company or belongs to one.
-- materialized: view
-- unique: entity_id
-- not_null: entity_id, root_entity_id, company_id
-- references: company_id -> staging.entities.entity_id
-- column entity_id: The entity.
-- column entity_type: Its type.
-- column root_entity_id: The entity that stands for it and all its copies; itself where it is no copy.
-- column company_id: The company, or what stands for it and its copies. May lead nowhere (deleted, or not landed).
select
    entity.entity_id,
    entity.entity_type,
    coalesce(own.root_entity_id, entity.entity_id) as root_entity_id,
    case when entity.entity_type = 'company' then coalesce(own.root_entity_id, entity.entity_id)
        else coalesce(parent.root_entity_id, entity.parent_id)
    end as company_id
from staging.entities as entity
left join staging.entity_roots as own on entity.entity_id = own.entity_id
left join staging.entity_roots as parent on entity.parent_id = parent.entity_id
where entity.entity_type = 'company' or entity.parent_id is not null
