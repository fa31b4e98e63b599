-- description: Every entity that a signal speaks of is landed too.
-- model: linkt.signals
-- severity: warn
select
    signal_id,
    entity_id
from (select signal_id, unnest(entity_ids) as entity_id from linkt.signals)
anti join linkt.entities using (entity_id)
