-- description: People and signals of each company and its copies together, each counted once.
-- grain: one row per company that has a person or a signal; a company and its copies are one.
-- materialized: incremental
-- incremental: company_id from staging.signal_companies
-- narrow: company_id -> staging.entity_companies.company_id
-- follows staging.signal_companies: company_id
-- follows staging.entity_companies: company_id
-- tells: company_id
-- unique: company_id
-- not_null: company_id, people_count, signal_count
-- column company_id: The company, or what stands for it and its copies.
-- column people_count: People who belong to it, copies of a person counted once.
-- column signal_count: Signals that reach it.
-- column latest_signal_at: When the newest of them was noticed.
with people as (
    select
        company_id,
        count(distinct root_entity_id) as people_count
    from staging.entity_companies
    where entity_type = 'person'
    group by company_id
),

signals as (
    select
        company_id,
        count(signal_id) as signal_count,
        max(detected_at) as latest_signal_at
    from staging.signal_companies
    group by company_id
)

select
    coalesce(people.company_id, signals.company_id) as company_id,
    coalesce(people.people_count, 0) as people_count,
    coalesce(signals.signal_count, 0) as signal_count,
    signals.latest_signal_at
from people
full join signals on people.company_id = signals.company_id
