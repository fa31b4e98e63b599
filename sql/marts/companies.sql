-- description: Every company with its usual fields as columns, all other fields as JSON, and what is known around it.
-- grain: one row per company entity, copies included (see root_entity_id).
-- materialized: incremental
-- incremental: entity_id, content_version from staging.entities
-- follows linkt.entities: entity_id
-- follows staging.entity_roots: entity_id
-- follows staging.company_activity: select company_id from changed union all select entity_id from staging.entity_roots
--   where root_entity_id in (select company_id from changed)
-- tells: entity_id, root_entity_id
-- unique: entity_id
-- not_null: entity_id, is_duplicate, root_entity_id, people_count, signal_count
-- column entity_id: Linkt's id of the company.
-- column name: Name.
-- column website: Web address as sent.
-- column domain: Domain of the website in one spelling (linkt_domain); good for joining to a CRM. Empty for a page on a host
--   that many companies share, such as linkedin.com (seeds.shared_hosts).
-- column linkedin_url: Address of its LinkedIn page.
-- column industry: Industry as sent, several as "Software, Fintech".
-- column primary_industry: The first of them.
-- column headquarters: Headquarters as Linkt displays it, else as readable text; the location where it says nothing.
-- column city: City of the headquarters, if Linkt split it.
-- column state: State or region of the headquarters, spelt as sent ("OH" and "Ohio" both occur).
-- column country: Country of the headquarters.
-- column employees: Head count as sent: "200", "51-200", "1,000+".
-- column employees_low: Lower end of the head count; empty for "up to", and where the text is ambiguous.
-- column employees_high: Upper end; empty for "1,000+", and where the text is ambiguous.
-- column employees_reading: How it was read: exact, about, range, at_least, at_most, unsure (then both ends are empty).
-- column revenue: Revenue as sent: "$50M", "$10M-$20M", or the amount of an object.
-- column revenue_low: Lower end in units of the currency; empty for "up to", and where the text is ambiguous.
-- column revenue_high: Upper end in units of the currency; empty for "over", and where the text is ambiguous.
-- column revenue_currency: ISO code of the currency that is stated by a sign, a code or a name; empty if none is.
-- column revenue_reading: How it was read: exact, about, range, at_least, at_most, unsure (then both ends are empty).
-- column status: Label given in Linkt, as sent and not interpreted.
-- column comments: Comments made in Linkt.
-- column external_id: Id of its record in a CRM or another system, such as a Salesforce account id; empty if Linkt knows none.
-- column external_source: System that owns this id, such as salesforce, in lower case.
-- column is_duplicate: True if Linkt calls it a copy of another entity.
-- column primary_entity_id: The entity it is a copy of, as Linkt says.
-- column root_entity_id: The entity that stands for it and all its copies, chains followed; itself where it is no copy.
--   "where entity_id = root_entity_id" shows and counts every company once, also where Linkt's original is not landed.
-- column icp_id: ICP it was found for.
-- column icp_name: Name of that ICP.
-- column sheet_id: Sheet it is kept in.
-- column sheet_name: Name of that sheet.
-- column people_count: People landed for it and its copies, each counted once; the same on all rows of one company.
-- column signal_count: Signals landed that speak of it, its copies or its people, each counted once.
-- column latest_signal_at: When the newest of them was noticed.
-- column attributes: All other fields as JSON, name to value: attributes ->> 'primary_product'.
-- column first_seen_at: When Linkt made it.
-- column updated_at: When Linkt last changed it.
-- column fetched_at: When this deployment landed this version.
-- column content_version: Fingerprint of all the row is made of; another one means the row changed.
with entities as (
    select
        entity.entity_id,
        entity.status,
        entity.comments,
        entity.external_id,
        entity.external_source,
        entity.is_duplicate,
        entity.primary_entity_id,
        entity.icp_id,
        entity.sheet_id,
        entity.sheet_name,
        entity.created_at as first_seen_at,
        entity.updated_at,
        entity.fetched_at,
        json_extract(
            entity.data,
            [
                '$.name', '$.full_name', '$.website', '$.linkedin', '$.linkedin_url', '$.industry',
                '$.headquarters', '$.location', '$.employees', '$.employee_count', '$.revenue'
            ]
        ) as field,
        list_transform(field, lambda f: linkt_value(f)) as value,
        try_cast(entity.data as map(varchar, json)) as all_fields,
        -- A field named twice counts once: a map can't hold it twice. Rare, so only then worth the search.
        case when len(list_distinct(json_keys(entity.data))) = len(json_keys(entity.data)) then map_entries(all_fields)
            else list_filter(
                map_entries(all_fields), lambda e, place: list_position(map_keys(all_fields), e.key) = place
            )
        end as entries,
        to_json(map_from_entries(list_transform(
            list_filter(
                entries,
                lambda e: e.key not in (
                    'name', 'full_name', 'website', 'linkedin', 'linkedin_url', 'industry',
                    'headquarters', 'employees', 'employee_count', 'revenue'
                )
            ),
            lambda e: {
                'key': e.key,
                'value': linkt_value(e.value)
            }
        ))) as attributes
    from staging.entities as entity
    where entity.entity_type = 'company'
),

fields as (
    select
        * exclude (field, value, all_fields, entries),
        coalesce(linkt_text(value[1]), linkt_text(value[2])) as name,
        linkt_url(value[3]) as website,
        linkt_domain(linkt_url(value[3])) as host,
        coalesce(linkt_url(value[4]), linkt_url(value[5])) as linkedin_url,
        linkt_text(value[6]) as industry,
        linkt_items(value[6])[1] as primary_industry,
        linkt_place(value[7]) as headquarters,
        case when json_type(value[7]) in ('OBJECT', 'VARCHAR', 'ARRAY') then linkt_place_text(field[7] ->> '$.display') end
            as headquarters_display,
        linkt_place(value[8]) as location,
        case when json_type(value[8]) in ('OBJECT', 'VARCHAR', 'ARRAY') then linkt_place_text(field[8] ->> '$.display') end
            as location_display,
        -- An object of a form unknown here still has what Linkt displays.
        case when linkt_said(value[9]) is not null then value[9]
            when json_type(value[9]) = 'OBJECT' and (field[9] ->> '$.display') <> '' then field[9] -> '$.display'
            else value[10]
        end as employees,
        case when linkt_said(value[11]) is null and json_type(value[11]) = 'OBJECT' then field[11] -> '$.display'
            else value[11]
        end as revenue
    from entities
),

parsed as (
    select
        * exclude (headquarters, headquarters_display, location, location_display, employees, revenue),
        -- An empty headquarters must not hide a filled location.
        case when coalesce(headquarters_display, headquarters.text) is not null then headquarters else location end as place,
        coalesce(headquarters_display, headquarters.text, location_display, location.text) as place_text,
        linkt_said(employees) as employees_said,
        linkt_range(employees) as employees,
        linkt_said(revenue) as revenue_said,
        linkt_amount(revenue) as revenue
    from fields
),

-- As lists: a join would ask for the host of every company also where only its version is asked for.
shared as (
    select
        list(host) as hosts,
        list(host) filter (with_subdomains) as sites
    from seeds.shared_hosts
)

select
    company.entity_id,
    company.name,
    company.website,
    case
        when list_contains(shared.hosts, company.host) then null
        when list_contains(shared.sites, regexp_extract(company.host, '[^.]+\.[^.]+$')) then null
        else company.host
    end as domain,
    company.linkedin_url,
    company.industry,
    company.primary_industry,
    company.place_text as headquarters,
    company.place.city as city,
    company.place.state as state,
    company.place.country as country,
    company.employees_said as employees,
    company.employees.low::bigint as employees_low,
    company.employees.high::bigint as employees_high,
    company.employees.reading as employees_reading,
    company.revenue_said as revenue,
    company.revenue.low as revenue_low,
    company.revenue.high as revenue_high,
    company.revenue.currency as revenue_currency,
    company.revenue.reading as revenue_reading,
    company.status,
    company.comments,
    company.external_id,
    company.external_source,
    company.is_duplicate,
    company.primary_entity_id,
    coalesce(root.root_entity_id, company.entity_id) as root_entity_id,
    company.icp_id,
    icp.name as icp_name,
    company.sheet_id,
    company.sheet_name,
    coalesce(activity.people_count, 0) as people_count,
    coalesce(activity.signal_count, 0) as signal_count,
    activity.latest_signal_at,
    company.attributes,
    company.first_seen_at,
    company.updated_at,
    company.fetched_at,
    md5(json_array(
        epoch_us(company.fetched_at), icp.name, root.root_entity_id,
        activity.people_count, activity.signal_count, epoch_us(activity.latest_signal_at)
    )::varchar) as content_version
from parsed as company
cross join shared
left join staging.icps as icp on company.icp_id = icp.icp_id
left join staging.entity_roots as root on company.entity_id = root.entity_id
left join staging.company_activity as activity
    on coalesce(root.root_entity_id, company.entity_id) = activity.company_id
