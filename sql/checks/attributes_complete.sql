-- description: Every entity with fields has them in staging.entity_attributes.
-- model: staging.entity_attributes
-- severity: error
select
    entity.entity_id,
    json_keys(entity.data) as fields
from staging.entities as entity
anti join staging.entity_attributes as attribute on entity.entity_id = attribute.entity_id
where len(json_keys(entity.data)) > 0
