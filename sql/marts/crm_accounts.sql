-- description: What Linkt knows of each record of a CRM, over all ICPs: its companies, its people with their contact data,
--   its signals, and how soon these make it worth a call.
-- grain: one row per external id and the system that owns it.
-- materialized: table
-- unique: external_source, external_id
-- not_null: external_source, external_id, entity_count, company_count, people_count, signal_count, priority
-- references: company_id -> marts.companies.entity_id
-- column external_source: System that owns the external id, such as salesforce; unknown where Linkt does not say.
-- column external_id: Id of the record there, such as a Salesforce account id. A record that people alone carry, such as a
--   contact, has company_count 0.
-- column entity_count: Landed entities that carry the id, copies in other ICPs included.
-- column company_id: Its company, or what stands for it and its copies; of several the one first seen, originals before
--   copies. Empty if no company carries the id.
-- column company_name: Name of that company.
-- column company_domain: Its domain.
-- column company_count: Companies that carry the id; a company and its copies are one.
-- column company_names: Their names, in alphabetical order.
-- column icp_count: ICPs in which an entity carries the id.
-- column icp_names: Their names, in alphabetical order.
-- column statuses: Labels given in Linkt to the companies that carry the id, in alphabetical order, not interpreted.
-- column people_count: People of its companies, and people who carry the id themselves; copies of a person counted once.
-- column people_with_email: Of them, those with an e-mail address.
-- column people_with_phone: Of them, those with a mobile number.
-- column people_with_contact: Of them, those with either.
-- column emails: E-mail addresses of its people, each once, in alphabetical order.
-- column contacts: Its people with an e-mail address or a mobile number, as a JSON list: entity_id, name, title, email,
--   mobile_phone, linkedin_url.
-- column signal_count: Signals that reach its companies or name an entity that carries the id, each once.
-- column signals_30_days: Of them, those noticed in the last 30 days.
-- column latest_signal_id: The newest of them.
-- column latest_signal_at: When it was noticed.
-- column latest_signal_type: Its type as sent; may be empty.
-- column latest_signal_strength: low, medium or high; empty if unknown.
-- column latest_signal_summary: What happened.
-- column priority: high: a strong signal in the last 30 days; medium: another one in the last 30 days, or a strong one in
--   the last 90; low: older ones only; none: no signal. Strong is a strength of high or, where the strength is unknown, a
--   score of 0.8 and more. Days are counted back from when signals or runs were last landed, so that nothing ages while
--   nothing is read.
-- column updated_at: When Linkt last changed an entity that carries the id.
-- column fetched_at: When this deployment last landed one.
with records as (
    select
        link.external_source,
        link.external_id,
        count(entity.entity_id) as entity_count,
        count(distinct entity.icp_id) as icp_count,
        array_to_string(list_sort(list_distinct(list(icp.name) filter (icp.name is not null))), ', ') as icp_names,
        array_to_string(
            list_sort(list_distinct(
                list(entity.status) filter (entity.entity_type = 'company' and entity.status is not null)
            )), ', '
        ) as statuses,
        max(entity.updated_at) as updated_at,
        max(entity.fetched_at) as fetched_at
    from staging.crm_entities as link
    inner join staging.entities as entity on link.entity_id = entity.entity_id
    left join staging.icps as icp on entity.icp_id = icp.icp_id
    group by all
),

first_companies as (
    select
        link.external_source,
        link.external_id,
        company.root_entity_id as company_id,
        company.name as company_name,
        company.domain as company_domain
    from staging.crm_entities as link
    inner join marts.companies as company on link.entity_id = company.entity_id
    qualify row_number() over (
        partition by link.external_source, link.external_id
        order by company.entity_id <> company.root_entity_id, company.first_seen_at nulls last, company.entity_id
    ) = 1
),

companies as (
    select
        link.external_source,
        link.external_id,
        count(link.root_entity_id) as company_count,
        array_to_string(list_sort(list(company.name) filter (company.name is not null)), ', ') as company_names
    from (
        select distinct
            external_source,
            external_id,
            root_entity_id
        from staging.crm_entities
        where entity_type = 'company'
    ) as link
    left join marts.companies as company on link.root_entity_id = company.entity_id
    group by all
),

-- Of each field what the person says, else the copy with the smallest id of those that say something.
people as (
    select
        link.external_source,
        link.external_id,
        link.root_entity_id,
        arg_min(person.name, (person.entity_id <> link.root_entity_id, person.entity_id)) as name,
        arg_min(person.title, (person.entity_id <> link.root_entity_id, person.entity_id)) as title,
        arg_min(person.email, (person.entity_id <> link.root_entity_id, person.entity_id)) as email,
        arg_min(person.mobile_phone, (person.entity_id <> link.root_entity_id, person.entity_id)) as mobile_phone,
        arg_min(person.linkedin_url, (person.entity_id <> link.root_entity_id, person.entity_id)) as linkedin_url
    from staging.crm_people as link
    inner join marts.people as person on link.entity_id = person.entity_id
    group by all
),

contacts as (
    select
        external_source,
        external_id,
        count(root_entity_id) as people_count,
        count(email) as people_with_email,
        count(mobile_phone) as people_with_phone,
        count(coalesce(email, mobile_phone)) as people_with_contact,
        array_to_string(list_sort(list_distinct(list(email) filter (email is not null))), ', ') as emails,
        to_json(list_sort(
            list({
                'entity_id': root_entity_id,
                'name': name,
                'title': title,
                'email': email,
                'mobile_phone': mobile_phone,
                'linkedin_url': linkedin_url
            }) filter (coalesce(email, mobile_phone) is not null)
        )) as contacts
    from people
    group by all
),

signals as (
    select
        link.external_source,
        link.external_id,
        signal.signal_id,
        signal.signal_type,
        signal.strength_level,
        signal.summary,
        signal.detected_at,
        coalesce(signal.strength_level = 'high', signal.score >= 0.8, false) as is_strong,
        coalesce(signal.detected_at > calendar.as_of - interval 30 days, false) as is_new,
        coalesce(signal.detected_at > calendar.as_of - interval 90 days, false) as is_recent
    from staging.crm_signals as link
    inner join staging.signals as signal on link.signal_id = signal.signal_id
    cross join staging.calendar as calendar
),

activity as (
    select
        external_source,
        external_id,
        count(signal_id) as signal_count,
        count(signal_id) filter (is_new) as signals_30_days,
        case
            when bool_or(is_strong and is_new) then 'high'
            when bool_or(is_new or (is_strong and is_recent)) then 'medium'
            else 'low'
        end as priority
    from signals
    group by all
),

latest as (
    select * from signals
    qualify row_number() over (
        partition by external_source, external_id order by detected_at desc nulls last, signal_id desc
    ) = 1
)

select
    record.external_source,
    record.external_id,
    record.entity_count,
    first.company_id,
    first.company_name,
    first.company_domain,
    coalesce(companies.company_count, 0) as company_count,
    companies.company_names,
    record.icp_count,
    record.icp_names,
    record.statuses,
    coalesce(contacts.people_count, 0) as people_count,
    coalesce(contacts.people_with_email, 0) as people_with_email,
    coalesce(contacts.people_with_phone, 0) as people_with_phone,
    coalesce(contacts.people_with_contact, 0) as people_with_contact,
    contacts.emails,
    contacts.contacts,
    coalesce(activity.signal_count, 0) as signal_count,
    coalesce(activity.signals_30_days, 0) as signals_30_days,
    latest.signal_id as latest_signal_id,
    latest.detected_at as latest_signal_at,
    latest.signal_type as latest_signal_type,
    latest.strength_level as latest_signal_strength,
    latest.summary as latest_signal_summary,
    coalesce(activity.priority, 'none') as priority,
    record.updated_at,
    record.fetched_at
from records as record
left join first_companies as first using (external_source, external_id)
left join companies using (external_source, external_id)
left join contacts using (external_source, external_id)
left join activity using (external_source, external_id)
left join latest using (external_source, external_id)
