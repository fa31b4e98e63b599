-- description: Signals of each record of a CRM: those that reach a company that carries its id, and those that name a
--   person, or whatever else, that does.
-- grain: one row per external id and signal.
-- materialized: view
-- unique: external_source, external_id, signal_id
-- not_null: external_source, external_id, signal_id
-- references: signal_id -> staging.signals.signal_id
-- column external_source: System that owns the external id; unknown where Linkt does not say.
-- column external_id: Id of the record there.
-- column signal_id: The signal.
select
    entity.external_source,
    entity.external_id,
    link.signal_id
from staging.crm_entities as entity
inner join staging.signal_companies as link on entity.root_entity_id = link.company_id
where entity.entity_type = 'company'
union
select
    entity.external_source,
    entity.external_id,
    link.signal_id
from staging.crm_entities as entity
inner join staging.signal_entities as link on entity.entity_id = link.entity_id
