-- description: Whom to talk to at each company, and how many of its people can be reached.
-- grain: one row per company with landed people; a company and its copies are one.
-- materialized: incremental
-- incremental: company_id from staging.entity_companies
-- follows staging.entity_companies: company_id
-- follows staging.entity_roots:
--   select company_id from staging.entity_companies where root_entity_id in (select root_entity_id from changed)
-- follows marts.people: select company_id from staging.entity_companies where entity_id in (select entity_id from changed)
-- tells: company_id
-- unique: company_id
-- not_null: company_id, people_with_email, people_with_phone, contact_id, contact_seniority
-- column company_id: The company, or what stands for it and its copies.
-- column people_with_email: People with an e-mail address, each counted once.
-- column people_with_phone: People with a mobile number.
-- column contact_id: Of the people with an e-mail address or a mobile number the most senior one (seeds.seniority), then one
--   with an e-mail address, then the one with the smallest id. Of the others if no one has any.
-- column contact_name: Name of that person.
-- column contact_title: Job title.
-- column contact_seniority: Seniority of the title; 0 if it names none.
-- column contact_email: E-mail address.
-- column contact_phone: Mobile number.
-- column contact_linkedin_url: Address of the LinkedIn page.
with copied_people as (
    select distinct root_entity_id from staging.entity_roots
),

people as (
    select
        link.company_id,
        link.root_entity_id as person_id,
        person.entity_id,
        person.name,
        person.title,
        person.email,
        person.mobile_phone,
        person.linkedin_url
    from staging.entity_companies as link
    inner join marts.people as person on link.entity_id = person.entity_id
),

-- Of each field what the person says, else the copy with the smallest id of those that say something.
persons as (
    select * exclude (entity_id)
    from people
    where person_id not in (select root_entity_id from copied_people)
    union all
    select
        company_id,
        person_id,
        arg_min(name, (entity_id <> person_id, entity_id)) as name,
        arg_min(title, (entity_id <> person_id, entity_id)) as title,
        arg_min(email, (entity_id <> person_id, entity_id)) as email,
        arg_min(mobile_phone, (entity_id <> person_id, entity_id)) as mobile_phone,
        arg_min(linkedin_url, (entity_id <> person_id, entity_id)) as linkedin_url
    from people
    where person_id in (select root_entity_id from copied_people)
    group by company_id, person_id
),

-- Titles repeat: each is taken apart once.
titles as (
    select
        word.title,
        max(known.seniority) as seniority
    from (
        select
            title,
            unnest(regexp_extract_all(lower(title), '\p{L}+')) as word
        from (select distinct title from persons)
    ) as word
    inner join seeds.seniority as known on word.word = known.word
    group by word.title
),

ranked as (
    select
        person.*,
        coalesce(titles.seniority, 0) as seniority,
        -- The best first: a person who can be reached, the most senior, one with an e-mail address.
        case when coalesce(person.email, person.mobile_phone) is null then 1000 else 0 end
        - 10 * coalesce(titles.seniority, 0)
        + case when person.email is null then 1 else 0 end as place
    from persons as person
    left join titles on person.title = titles.title
),

contacts as (
    select
        company_id,
        count(email) as people_with_email,
        count(mobile_phone) as people_with_phone,
        arg_min(person_id, (place, person_id)) as contact_id
    from ranked
    group by company_id
)

select
    contacts.company_id,
    contacts.people_with_email,
    contacts.people_with_phone,
    contacts.contact_id,
    contact.name as contact_name,
    contact.title as contact_title,
    contact.seniority as contact_seniority,
    contact.email as contact_email,
    contact.mobile_phone as contact_phone,
    contact.linkedin_url as contact_linkedin_url
from contacts
inner join ranked as contact on contacts.company_id = contact.company_id and contacts.contact_id = contact.person_id
