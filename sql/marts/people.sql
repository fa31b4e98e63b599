-- description: Every person with contact fields as columns, all other fields as JSON, and the company where known.
-- grain: one row per person entity, copies included (see root_entity_id).
-- materialized: incremental
-- incremental: entity_id, content_version from staging.entities
-- follows linkt.entities: entity_id
-- follows staging.entity_roots: entity_id
-- follows marts.companies: select entity_id from marts.people where company_id in (select entity_id from changed)
-- tells: entity_id
-- unique: entity_id
-- not_null: entity_id, is_duplicate, root_entity_id, has_company
-- references: company_id -> marts.companies.entity_id
-- column entity_id: Linkt's id of the person.
-- column name: Full name.
-- column title: Job title.
-- column email: E-mail address, lower case; the first if several were sent, empty if none of it is one.
-- column emails: What was sent as e-mail address, as readable text.
-- column mobile_phone: Mobile number, as written; the first if several were sent, empty if none of it is one.
-- column mobile_phones: What was sent as mobile number, else as telephone number, as readable text.
-- column linkedin_url: Address of the LinkedIn profile.
-- column location: Where the person is, as Linkt displays it, else as readable text.
-- column city: City, if Linkt split it.
-- column state: State or region, spelt as sent.
-- column country: Country.
-- column company_id: Entity the person belongs to; may lead nowhere.
-- column company_root_id: That company, or the original where it is a copy; empty if it is not landed.
-- column has_company: True if that company is landed.
-- column company_name: Name of the landed company, else the company stated on the person.
-- column company_stated: Company as stated on the person.
-- column company_domain: Domain of the landed company.
-- column company_industry: Its industry.
-- column company_country: Country of its headquarters.
-- column company_employees: Its head count as sent.
-- column company_employees_low: Lower end of its head count.
-- column company_employees_high: Upper end of its head count.
-- column company_signal_count: Signals landed that speak of the company, its copies or its people.
-- column company_latest_signal_at: When the newest of them was noticed.
-- column status: Label given in Linkt, as sent and not interpreted.
-- column comments: Comments made in Linkt.
-- column external_id: Id of the person's own record in a CRM or another system, such as a Salesforce contact id.
-- column external_source: System that owns this id, such as salesforce, in lower case.
-- column is_duplicate: True if Linkt calls the person a copy of another entity.
-- column primary_entity_id: The entity the person is a copy of, as Linkt says.
-- column root_entity_id: The entity that stands for the person and all its copies; itself where it is no copy.
-- column icp_id: ICP the person was found for.
-- column icp_name: Name of that ICP.
-- column sheet_id: Sheet the person is kept in.
-- column sheet_name: Name of that sheet.
-- column attributes: All other fields as JSON, name to value.
-- column first_seen_at: When Linkt made the entity.
-- column updated_at: When Linkt last changed it.
-- column fetched_at: When this deployment landed this version.
-- column content_version: Fingerprint of all the row is made of; another one means the row changed.
with entities as (
    select
        entity.entity_id,
        entity.parent_id as company_id,
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
                '$.name', '$.full_name', '$.title', '$.job_title', '$.email', '$.mobile_phone', '$.phone',
                '$.linkedin', '$.linkedin_url', '$.location', '$.company'
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
                    'name', 'full_name', 'title', 'job_title', 'email', 'mobile_phone', 'phone',
                    'linkedin', 'linkedin_url', 'location', 'company'
                )
            ),
            lambda e: {
                'key': e.key,
                'value': linkt_value(e.value)
            }
        ))) as attributes
    from staging.entities as entity
    where entity.entity_type = 'person'
),

fields as (
    select
        * exclude (field, value, all_fields, entries),
        coalesce(linkt_text(value[1]), linkt_text(value[2])) as name,
        coalesce(linkt_text(value[3]), linkt_text(value[4])) as title,
        linkt_email(value[5]) as email,
        linkt_text(value[5]) as emails,
        coalesce(linkt_phone(value[6]), linkt_phone(value[7])) as mobile_phone,
        coalesce(linkt_text(value[6]), linkt_text(value[7])) as mobile_phones,
        coalesce(linkt_url(value[8]), linkt_url(value[9])) as linkedin_url,
        linkt_place(value[10]) as place,
        linkt_place_text(field[10] ->> '$.display') as place_display,
        linkt_text(value[11]) as company_stated
    from entities
)

select
    person.entity_id,
    person.name,
    person.title,
    person.email,
    person.emails,
    person.mobile_phone,
    person.mobile_phones,
    person.linkedin_url,
    coalesce(person.place_display, person.place.text) as location,
    person.place.city as city,
    person.place.state as state,
    person.place.country as country,
    person.company_id,
    company.root_entity_id as company_root_id,
    company.entity_id is not null as has_company,
    coalesce(company.name, person.company_stated) as company_name,
    person.company_stated,
    company.domain as company_domain,
    company.industry as company_industry,
    company.country as company_country,
    company.employees as company_employees,
    company.employees_low as company_employees_low,
    company.employees_high as company_employees_high,
    company.signal_count as company_signal_count,
    company.latest_signal_at as company_latest_signal_at,
    person.status,
    person.comments,
    person.external_id,
    person.external_source,
    person.is_duplicate,
    person.primary_entity_id,
    coalesce(root.root_entity_id, person.entity_id) as root_entity_id,
    person.icp_id,
    icp.name as icp_name,
    person.sheet_id,
    person.sheet_name,
    person.attributes,
    person.first_seen_at,
    person.updated_at,
    person.fetched_at,
    md5(json_array(epoch_us(person.fetched_at), icp.name, root.root_entity_id, company.content_version)::varchar)
        as content_version
from fields as person
left join marts.companies as company on person.company_id = company.entity_id
left join staging.icps as icp on person.icp_id = icp.icp_id
left join staging.entity_roots as root on person.entity_id = root.entity_id
