-- description: Every parent that an entity names is landed too (it may be filtered out or deleted at Linkt).
-- model: linkt.entities
-- severity: warn
select
    child.entity_id,
    child.parent_id
from linkt.entities as child
anti join linkt.entities as parent on parent.entity_id = child.parent_id
where child.parent_id is not null
