-- description: Which web domains back each signal.
-- grain: one row per signal and domain.
-- materialized: incremental
-- incremental: signal_id, fetched_at from staging.signals
-- follows linkt.signals: signal_id
-- unique: signal_id, domain
-- not_null: signal_id, domain
-- references: signal_id -> staging.signals.signal_id
-- column signal_id: The signal.
-- column domain: Domain of at least one of its references, lower case, without "www.".
-- column fetched_at: When this deployment landed the signal.
with mentions as (
    select
        signal.signal_id,
        signal.fetched_at,
        unnest(list_distinct(list_transform(signal."references", lambda r: linkt_domain(r)))) as domain
    from staging.signals as signal
    where len(signal."references") > 0
)

select
    signal_id,
    domain,
    fetched_at
from mentions
where domain is not null
