-- description: How many signals each company had of late.
-- grain: one row per company that a signal of the last 30 days reaches; a company and its copies are one.
-- materialized: view
-- published: view
-- unique: company_id
-- not_null: company_id, signals_7_days, signals_30_days
-- column company_id: The company, or what stands for it and its copies.
-- column signals_7_days: Signals that reach it and were noticed in the last 7 days. Days are counted back from when signals or
--   runs were last landed (staging.calendar).
-- column signals_30_days: The same for the last 30 days.
select
    link.company_id,
    count(*) filter (where link.detected_at > calendar.as_of - interval 7 days) as signals_7_days,
    count(*) as signals_30_days
from staging.signal_companies as link
cross join staging.calendar as calendar
where link.detected_at > calendar.as_of - interval 30 days
group by link.company_id
