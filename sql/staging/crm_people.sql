-- description: People of each record of a CRM: those of the companies that carry its id, and those who carry it themselves.
-- grain: one row per external id and person, copies of a person included.
-- materialized: view
-- unique: external_source, external_id, entity_id
-- not_null: external_source, external_id, entity_id, root_entity_id
-- references: entity_id -> staging.entities.entity_id
-- column external_source: System that owns the external id; unknown where Linkt does not say.
-- column external_id: Id of the record there.
-- column entity_id: The person.
-- column root_entity_id: The entity that stands for the person and all its copies.
select
    entity.external_source,
    entity.external_id,
    person.entity_id,
    person.root_entity_id
from staging.crm_entities as entity
inner join staging.entity_companies as person on entity.root_entity_id = person.company_id
semi join staging.entities as landed on person.entity_id = landed.entity_id
where entity.entity_type = 'company' and person.entity_type = 'person'
union
select
    external_source,
    external_id,
    entity_id,
    root_entity_id
from staging.crm_entities
where entity_type = 'person'
