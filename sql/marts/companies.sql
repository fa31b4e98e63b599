-- description: Every company with its usual fields as columns, all other fields as JSON, and what is known around it.
-- grain: one row per company entity, copies included (see is_duplicate).
-- materialized: incremental
-- incremental: entity_id, content_version from staging.entities
-- narrow: entity_id -> staging.signal_entities.entity_id
-- narrow: entity_id -> staging.entity_links.linked_entity_id
-- unique: entity_id
-- not_null: entity_id, is_duplicate, people_count, signal_count
-- column entity_id: Linkt's id of the company.
-- column name: Name.
-- column website: Web address as sent.
-- column domain: Domain of the website, lower case, without "www."; good for joining to a CRM.
-- column linkedin_url: Address of its LinkedIn page.
-- column industry: Industry as sent.
-- column headquarters: Headquarters as readable text.
-- column city: City of the headquarters, if Linkt split it.
-- column state: State or region of the headquarters, spelt as sent ("OH" and "Ohio" both occur).
-- column country: Country of the headquarters.
-- column employees: Head count as sent: "200", "51-200", "1,000+".
-- column employees_low: Lower end of the head count; empty for "up to".
-- column employees_high: Upper end; empty for "1,000+".
-- column revenue: Revenue as sent: "$50M", "$10M-$20M", or the amount of an object.
-- column revenue_low: Lower end in units of the currency.
-- column revenue_high: Upper end in units of the currency.
-- column revenue_currency: USD, EUR or GBP by its sign, or the currency stated; empty if neither.
-- column status: Label given in Linkt, as sent and not interpreted.
-- column comments: Comments made in Linkt.
-- column is_duplicate: True if Linkt calls it a copy of another entity; leave these out when counting companies.
-- column primary_entity_id: The entity it is a copy of.
-- column icp_id: ICP it was found for.
-- column icp_name: Name of that ICP.
-- column sheet_id: Sheet it is kept in.
-- column sheet_name: Name of that sheet.
-- column people_count: People landed for it.
-- column signal_count: Signals landed that speak of it.
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
        coalesce(nullif(trim(value[1] ->> '$'), ''), nullif(trim(value[2] ->> '$'), '')) as name,
        nullif(trim(coalesce(value[3] ->> '$.url', value[3] ->> '$')), '') as website,
        coalesce(
            nullif(trim(coalesce(value[4] ->> '$.url', value[4] ->> '$')), ''),
            nullif(trim(coalesce(value[5] ->> '$.url', value[5] ->> '$')), '')
        ) as linkedin_url,
        nullif(trim(value[6] ->> '$'), '') as industry,
        case when json_type(value[7]) in ('OBJECT', 'VARCHAR') then value[7] else value[8] end as place,
        case when json_type(value[7]) in ('OBJECT', 'VARCHAR') then nullif(trim(field[7] ->> '$.display'), '')
            else nullif(trim(field[8] ->> '$.display'), '')
        end as place_display,
        coalesce(
            case when json_type(value[9]) = 'OBJECT'
                    then coalesce(
                        value[9] ->> '$.amount', value[9] ->> '$.count',
                        (value[9] ->> '$.min') || '-' || (value[9] ->> '$.max'), field[9] ->> '$.display'
                    )
                else nullif(trim(value[9] ->> '$'), '')
            end,
            nullif(trim(value[10] ->> '$'), '')
        ) as employees,
        case when json_type(value[11]) = 'OBJECT'
                then coalesce(
                    value[11] ->> '$.amount',
                    (value[11] ->> '$.min') || '-' || (value[11] ->> '$.max'), field[11] ->> '$.display'
                )
            else nullif(trim(value[11] ->> '$'), '')
        end as revenue,
        case when json_type(value[11]) = 'OBJECT' then upper(value[11] ->> '$.currency') end as stated_currency
    from entities
),

-- "1,000+", "51 - 200", "$10M-$20M (2024)": thousands signs and remarks go, numbers and their units stay.
numbers as (
    select
        *,
        case when not regexp_full_match(employees, '\d{1,3}(\.\d{3})+') then try_cast(employees as double) end
            as employees_plain,
        regexp_replace(lower(employees), '\([^)]*\)', '', 'g') as employees_remark_free,
        regexp_replace(
            regexp_replace(employees_remark_free, '(\d)[,. ''](\d{3})', '\1\2', 'g'),
            '(\d)[,. ''](\d{3})', '\1\2', 'g'
        ) as employees_text,
        try_cast(revenue as double) as revenue_plain,
        regexp_replace(lower(revenue), '\([^)]*\)', '', 'g') as revenue_remark_free,
        -- Twice, because neighbouring groups share a digit: 1,250,000.
        regexp_replace(
            regexp_replace(revenue_remark_free, '(\d)[, ''](\d{3})', '\1\2', 'g'),
            '(\d)[, ''](\d{3})', '\1\2', 'g'
        ) as revenue_text
    from fields
),

amounts as (
    select
        *,
        list_transform(
            list_zip(
                regexp_extract_all(employees_text, '(\d+(?:\.\d+)?)\s*(thousand|million|billion|trillion|mio|mrd|mn|bn|[kmbt]\b|)', 1),
                regexp_extract_all(employees_text, '(\d+(?:\.\d+)?)\s*(thousand|million|billion|trillion|mio|mrd|mn|bn|[kmbt]\b|)', 2)
            ),
            lambda n: {
                'amount': try_cast(n[1] as double),
                'unit': case when n[2] = '' then null when n[2] in ('k', 'thousand') then 1e3 when n[2][1] = 'm' then 1e6
                    when n[2][1] = 'b' then 1e9 else 1e12 end
            }
        ) as employee_numbers,
        list_transform(
            list_zip(
                regexp_extract_all(revenue_text, '(\d+(?:\.\d+)?)\s*(thousand|million|billion|trillion|mio|mrd|mn|bn|[kmbt]\b|)', 1),
                regexp_extract_all(revenue_text, '(\d+(?:\.\d+)?)\s*(thousand|million|billion|trillion|mio|mrd|mn|bn|[kmbt]\b|)', 2)
            ),
            lambda n: {
                'amount': try_cast(n[1] as double),
                'unit': case when n[2] = '' then null when n[2] in ('k', 'thousand') then 1e3 when n[2] = 'mrd' then 1e9
                    when n[2][1] = 'm' then 1e6 when n[2][1] = 'b' then 1e9 else 1e12 end
            }
        ) as revenue_numbers
    from numbers
),

-- In "10-20M" the unit counts for both ends; in "500-1M" it can't.
ends as (
    select
        *,
        employee_numbers[1].amount * coalesce(
            employee_numbers[1].unit,
            case when employee_numbers[1].amount <= employee_numbers[2].amount then employee_numbers[2].unit end, 1
        ) as employees_first,
        employee_numbers[2].amount * coalesce(employee_numbers[2].unit, 1) as employees_second,
        revenue_numbers[1].amount * coalesce(
            revenue_numbers[1].unit,
            case when revenue_numbers[1].amount <= revenue_numbers[2].amount then revenue_numbers[2].unit end, 1
        ) as revenue_first,
        revenue_numbers[2].amount * coalesce(revenue_numbers[2].unit, 1) as revenue_second,
        regexp_matches(employees_text, '\+|>|\b(over|above|more than|at least|from)\b') as employees_open,
        regexp_matches(employees_text, '<|\b(under|below|less than|up to|fewer than|at most)\b') as employees_upto,
        regexp_matches(revenue_text, '\+|>|\b(over|above|more than|at least|from)\b') as revenue_open,
        regexp_matches(revenue_text, '<|\b(under|below|less than|up to|at most)\b') as revenue_upto
    from amounts
),

people as (
    select
        linked_entity_id as entity_id,
        count(entity_id) as people_count
    from staging.entity_links
    where link_type = 'parent' and entity_type = 'person'
    group by linked_entity_id
),

signals as (
    select
        entity_id,
        count(signal_id) as signal_count,
        max(detected_at) as latest_signal_at
    from staging.signal_entities
    group by entity_id
)

select
    company.entity_id,
    company.name,
    company.website,
    lower(nullif(regexp_extract(
        company.website, '^(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^/@]*@)?(?:[wW]{3}\.)?([^/:?#\s]+\.[^/:?#\s]+)', 1
    ), '')) as domain,
    company.linkedin_url,
    company.industry,
    coalesce(
        company.place_display,
        case when json_type(company.place) = 'OBJECT'
                then nullif(concat_ws(', ', company.place ->> '$.city', company.place ->> '$.state', company.place ->> '$.country'), '')
            else nullif(trim(company.place ->> '$'), '')
        end
    ) as headquarters,
    company.place ->> '$.city' as city,
    company.place ->> '$.state' as state,
    company.place ->> '$.country' as country,
    company.employees,
    try_cast(case when company.employees_plain is not null then company.employees_plain
        when not company.employees_upto then company.employees_first
    end as bigint) as employees_low,
    try_cast(case when company.employees_plain is not null then company.employees_plain
        when company.employees_second >= company.employees_first then company.employees_second
        when not company.employees_open then company.employees_first
    end as bigint) as employees_high,
    company.revenue,
    case when company.revenue_plain is not null then company.revenue_plain
        when not company.revenue_upto then company.revenue_first
    end as revenue_low,
    case when company.revenue_plain is not null then company.revenue_plain
        when company.revenue_second >= company.revenue_first then company.revenue_second
        when not company.revenue_open then company.revenue_first
    end as revenue_high,
    coalesce(
        company.stated_currency,
        case when company.revenue like '%€%' then 'EUR' when company.revenue like '%£%' then 'GBP'
            when company.revenue like '%$%' then 'USD'
        end
    ) as revenue_currency,
    company.status,
    company.comments,
    company.is_duplicate,
    company.primary_entity_id,
    company.icp_id,
    icp.name as icp_name,
    company.sheet_id,
    company.sheet_name,
    coalesce(people.people_count, 0) as people_count,
    coalesce(signals.signal_count, 0) as signal_count,
    signals.latest_signal_at,
    company.attributes,
    company.first_seen_at,
    company.updated_at,
    company.fetched_at,
    md5(json_array(
        epoch_us(company.fetched_at), icp.name, people.people_count, signals.signal_count, epoch_us(signals.latest_signal_at)
    )::varchar) as content_version
from ends as company
left join staging.icps as icp on company.icp_id = icp.icp_id
left join people on company.entity_id = people.entity_id
left join signals on company.entity_id = signals.entity_id
