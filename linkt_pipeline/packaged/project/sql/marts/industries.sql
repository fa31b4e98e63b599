-- description: How many companies each industry has, and how much is going on there.
-- grain: one row per industry.
-- materialized: table
-- unique: industry
-- not_null: industry, companies
-- column industry: Industry as Linkt gives it, "unknown" where it gives none.
-- column companies: Companies of the industry, copies left out.
-- column signals: Signals that speak of them.
select
    coalesce(industry, 'unknown') as industry,
    count(entity_id) as companies,
    sum(signal_count)::bigint as signals
from marts.companies
where entity_id = root_entity_id
group by all
