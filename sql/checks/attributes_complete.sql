-- description: Every entity with fields has them in staging.entity_attributes.
-- model: staging.entity_attributes
-- severity: error
-- Only of the few without is the document read.
with bare as materialized (
    select entity.entity_id
    from staging.entities as entity
    anti join staging.entity_attributes as attribute on entity.entity_id = attribute.entity_id
)

select
    entity_id,
    json_keys(data) as fields
from staging.entities
where entity_id in (select entity_id from bare) and len(json_keys(data)) > 0
