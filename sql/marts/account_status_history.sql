-- description: How long do companies stay in a status, and how many move on? Which label each company had from when to when.
-- grain: one row per company and uninterrupted stretch of one label; for a company and its copies the labels of the company itself count.
-- materialized: table
-- unique: company_id, period
-- not_null: company_id, period, valid_from, is_current, days
-- references: company_id -> marts.accounts.company_id
-- column company_id: The company, or what stands for it and its copies.
-- column period: 1 for its first label, 2 for the next...
-- column status: Label given in Linkt, as sent; empty where it had none.
-- column previous_status: The label before it.
-- column valid_from: When Linkt made the first version with the label; of the first period the first version that was landed.
-- column valid_to: When the next label took its place; empty while it is the present one.
-- column is_current: True for the present label.
-- column days: Whole days that it was or has been in place, up to when signals or runs were last landed.
with versions as (
    select
        version.entity_id,
        version.status,
        version.version_at,
        version.fetched_at,
        version.content_hash,
        lag(version.status) over in_order as previous_status,
        row_number() over in_order as number
    from staging.entity_histories as history
    inner join staging.entity_versions as version on history.entity_id = version.entity_id
    window in_order as (
        partition by version.entity_id order by version.version_at, version.fetched_at, version.content_hash
    )
),

-- Most companies have one version: nothing has to be put in order for them.
starts as (
    select
        company.entity_id as company_id,
        company.status,
        cast(null as varchar) as previous_status,
        coalesce(company.updated_at, company.fetched_at) as valid_from,
        1 as number
    from marts.companies as company
    anti join staging.entity_histories as history on company.entity_id = history.entity_id
    where company.entity_id = company.root_entity_id
    union all
    select
        version.entity_id as company_id,
        version.status,
        version.previous_status,
        version.version_at as valid_from,
        version.number
    from versions as version
    inner join marts.companies as company on version.entity_id = company.entity_id
    where company.entity_id = company.root_entity_id
        and (version.number = 1 or version.status is distinct from version.previous_status)
),

periods as (
    select
        *,
        row_number() over in_order as period,
        lead(valid_from) over in_order as valid_to
    from starts
    window in_order as (partition by company_id order by number)
)

select
    period.company_id,
    period.period,
    period.status,
    period.previous_status,
    period.valid_from,
    period.valid_to,
    period.valid_to is null as is_current,
    coalesce(greatest(floor(epoch(coalesce(period.valid_to, calendar.as_of) - period.valid_from) / 86400), 0), 0)::bigint as days
from periods as period
cross join staging.calendar as calendar
