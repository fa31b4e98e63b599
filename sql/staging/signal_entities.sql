-- description: Which entities each signal speaks of.
-- grain: one row per signal and entity.
-- materialized: incremental
-- incremental: signal_id, fetched_at from staging.signals
-- follows linkt.signals: signal_id
-- tells: signal_id, entity_id
-- unique: signal_id, entity_id
-- not_null: signal_id, entity_id
-- references: entity_id -> staging.entities.entity_id
-- column signal_id: The signal.
-- column entity_id: An entity it speaks of; may not be landed, or deleted in Linkt since.
-- column detected_at: When Linkt noticed it.
-- column fetched_at: When this deployment landed the signal.
select
    signal.signal_id,
    unnest(list_distinct(list_filter(signal.entity_ids, lambda id: id is not null))) as entity_id,
    signal.detected_at,
    signal.fetched_at
from staging.signals as signal
-- Read by entity more than by signal: rows of one entity side by side are counted and joined in half the time.
order by entity_id
