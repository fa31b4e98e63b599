-- description: The newest signal of each company, and how many there were of late.
-- grain: one row per company that a signal reaches; a company and its copies are one.
-- materialized: table
-- unique: company_id
-- not_null: company_id, signals_7_days, signals_30_days
-- column company_id: The company, or what stands for it and its copies.
-- column signals_7_days: Signals that reach it and were noticed in the last 7 days. Days are counted back from when signals or
--   runs were last landed (staging.calendar).
-- column signals_30_days: The same for the last 30 days.
-- column latest_signal_id: The newest of its signals.
-- column latest_signal_label: Name to show for its type.
-- column latest_signal_summary: What happened.
with signals as (
    select
        link.company_id,
        count(*) filter (where link.detected_at > calendar.as_of - interval 7 days) as signals_7_days,
        count(*) filter (where link.detected_at > calendar.as_of - interval 30 days) as signals_30_days,
        max(link.signal_id) filter (where link.detected_at is not distinct from company.latest_signal_at) as latest_signal_id
    from staging.signal_companies as link
    inner join marts.companies as company on link.company_id = company.entity_id
    cross join staging.calendar as calendar
    group by link.company_id
)

select
    signals.company_id,
    signals.signals_7_days,
    signals.signals_30_days,
    signals.latest_signal_id,
    latest.signal_label as latest_signal_label,
    latest.summary as latest_signal_summary
from signals
left join staging.signals as latest on signals.latest_signal_id = latest.signal_id
