-- description: All signals, to be read from the newest down, with the companies they speak of.
-- grain: one row per signal.
-- materialized: view
-- published: view
-- rows: select count(*) from staging.signals
-- unique: signal_id
-- not_null: signal_id, company_count
-- column signal_id: Linkt's id of the signal.
-- column detected_at: When Linkt noticed it, not when it happened.
-- column detected_week: Monday of that week, in the time zone of the deployment (timezone in tasks.yaml).
-- column signal_type: Type as sent; may be empty.
-- column signal_label: Name to show for the type.
-- column strength_level: low, medium or high; empty if unknown.
-- column strength: Strength as sent.
-- column score: Score from 0 to 1; may be empty.
-- column summary: What happened.
-- column company_count: Landed companies it speaks of, by name, by a copy or by one of their people; each counted once.
-- column company_names: Their names, in alphabetical order.
-- column entity_count: Entities it names, landed or not, each once; 0 for topic monitoring.
-- column icp_id: ICP that owns the signal.
-- column icp_name: Name of that ICP.
-- column "references": Web addresses that back it.
-- column metadata: What else Linkt's workflow knows of it, as JSON; its contents are documented nowhere.
-- column fetched_at: When this deployment landed it.
with companies as (
    select
        link.signal_id,
        count(company.entity_id) as company_count,
        -- Sorted afterwards: an aggregate that sorts keeps everything in memory.
        array_to_string(list_sort(list(company.name) filter (company.name is not null)), ', ') as company_names
    from staging.signal_companies as link
    inner join marts.companies as company on link.company_id = company.entity_id
    group by link.signal_id
)

select
    signal.signal_id,
    signal.detected_at,
    cast(date_trunc('week', linkt_local(signal.detected_at, zone.timezone)) as date) as detected_week,
    signal.signal_type,
    signal.signal_label,
    signal.strength_level,
    signal.strength,
    signal.score,
    signal.summary,
    coalesce(companies.company_count, 0) as company_count,
    companies.company_names,
    coalesce(len(list_distinct(signal.entity_ids)), 0) as entity_count,
    signal.icp_id,
    icp.name as icp_name,
    signal."references",
    signal.metadata,
    signal.fetched_at
from staging.signals as signal
cross join staging.time_zone as zone
left join companies on signal.signal_id = companies.signal_id
left join staging.icps as icp on signal.icp_id = icp.icp_id
