-- description: The newest signal of each company.
-- grain: one row per company that a signal reaches; a company and its copies are one.
-- materialized: incremental
-- incremental: company_id from staging.signal_companies
-- narrow: company_id -> marts.companies.entity_id
-- follows staging.signal_companies: company_id
-- follows marts.companies: entity_id
-- follows linkt.signals: select company_id from staging.signal_companies where signal_id in (select signal_id from changed)
-- tells: company_id
-- unique: company_id
-- not_null: company_id
-- column company_id: The company, or what stands for it and its copies.
-- column latest_signal_id: The newest of its signals.
-- column latest_signal_label: Name to show for its type.
-- column latest_signal_summary: What happened.
with signals as (
    select
        link.company_id,
        max(link.signal_id) filter (where link.detected_at is not distinct from company.latest_signal_at) as latest_signal_id
    from staging.signal_companies as link
    inner join marts.companies as company on link.company_id = company.entity_id
    group by link.company_id
)

select
    signals.company_id,
    signals.latest_signal_id,
    latest.signal_label as latest_signal_label,
    latest.summary as latest_signal_summary
from signals
left join staging.signals as latest on signals.latest_signal_id = latest.signal_id
