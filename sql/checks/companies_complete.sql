-- description: Every landed company is in marts.companies and every landed person in marts.people.
-- model: marts.people
-- severity: error
select
    entity.entity_id,
    entity.entity_type
from staging.entities as entity
left join marts.companies as company on entity.entity_id = company.entity_id
left join marts.people as person on entity.entity_id = person.entity_id
where entity.entity_type in ('company', 'person') and company.entity_id is null and person.entity_id is null
