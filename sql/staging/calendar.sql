-- description: The present of the marts: days are counted back from when signals or runs were last landed, so that nothing
--   ages while nothing is read.
-- grain: one row.
-- materialized: view
-- unique: timezone
-- not_null: timezone
-- column timezone: Time zone of the deployment.
-- column as_of: When signals or runs were last landed; empty before the first.
-- column today: The day of it in that zone.
-- column this_week: Monday of its week in that zone.
-- column this_month: First day of its month in that zone.
with landed as (
    select max(fetched_at) as as_of
    from (
        select max(fetched_at) as fetched_at from linkt.signals
        union all
        select max(fetched_at) as fetched_at from linkt.runs
    )
)

select
    zone.timezone,
    landed.as_of,
    cast(timezone(zone.timezone, landed.as_of) as date) as today,
    cast(date_trunc('week', timezone(zone.timezone, landed.as_of)) as date) as this_week,
    cast(date_trunc('month', timezone(zone.timezone, landed.as_of)) as date) as this_month
from landed
cross join staging.time_zone as zone
