-- description: Every row has its entity_id, and no two rows have the same.
-- model: linkt.entities
-- severity: error
select
    entity_id,
    count(*) as "rows"
from linkt.entities
group by entity_id
having count(*) > 1 or entity_id is null
