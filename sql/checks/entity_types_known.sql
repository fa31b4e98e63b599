-- description: Every landed entity is a company or a person. Others are in no mart, only in staging.entities and
--   staging.entity_attributes.
-- model: staging.entities
-- severity: warn
select
    entity_type,
    count(entity_id) as entities,
    min(entity_id) as first_entity_id
from staging.entities
where entity_type is distinct from 'company' and entity_type is distinct from 'person'
group by entity_type
