-- description: Which companies each signal reaches: those it names, the originals of the copies it names, and the
--   companies of the people it names.
-- grain: one row per signal and company; a company and its copies are one.
-- materialized: incremental
-- incremental: signal_id from staging.signal_entities
-- follows staging.signal_entities: signal_id
-- follows staging.entity_companies:
--   select signal_id from staging.signal_entities where entity_id in (select entity_id from changed)
-- tells: signal_id, company_id
-- unique: signal_id, company_id
-- not_null: signal_id, company_id
-- references: signal_id -> staging.signals.signal_id
-- column signal_id: The signal.
-- column company_id: The company, or what stands for it and its copies (see staging.entity_roots).
-- column detected_at: When Linkt noticed the signal.
select distinct
    link.signal_id,
    entity.company_id,
    link.detected_at
from staging.signal_entities as link
inner join staging.entity_companies as entity on link.entity_id = entity.entity_id
-- Read by company more than by signal: rows of one company side by side are joined in half the time.
order by entity.company_id
