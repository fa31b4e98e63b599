-- description: All of marts.accounts that does not depend on the day on which it is read.
-- grain: one row per company; a company and its copies are one (root_entity_id in marts.companies).
-- materialized: incremental
-- incremental: company_id from marts.companies
-- narrow: company_id -> marts.companies.root_entity_id
-- narrow: company_id -> staging.account_contacts.company_id
-- narrow: company_id -> staging.account_signals.company_id
-- narrow: company_id -> staging.account_origins.company_id
-- follows marts.companies: root_entity_id
-- follows staging.account_contacts: company_id
-- follows staging.account_signals: company_id
-- follows staging.account_origins: company_id
-- unique: company_id
-- not_null: company_id, icp_count, copies, people_count, people_with_email, signal_count, completeness, is_qualified
-- column company_id: The company, or what stands for it and its copies.
-- column name: Its name. This and what follows up to the revenue: as the company itself says, else its copy with the
--   smallest id of those that say something.
-- column domain: Domain of the website in one spelling (linkt_domain).
-- column linkedin_url: Address of its LinkedIn page.
-- column industry: Industry as sent.
-- column headquarters: Headquarters as readable text.
-- column country: Country of the headquarters, if Linkt split it.
-- column employees: Head count as sent.
-- column employee_band: Its band (seeds.employee_bands): that of the lower end, of "up to" the upper end, of "1,000+" the
--   one above. Empty where the head count is ambiguous.
-- column revenue: Revenue as sent.
-- column external_id: Id of its record in a CRM or another system.
-- column external_source: System that owns this id.
-- column status: Label given in Linkt, as sent.
-- column statuses: Labels of it and its copies, in alphabetical order.
-- column icp_id: ICP of the company itself, which is the one that found it.
-- column icp_name: Name of that ICP.
-- column icp_count: ICPs that it or a copy was found for.
-- column icp_names: Their names, in alphabetical order.
-- column copies: Landed copies of it.
-- column people_count: People of it and its copies, each counted once.
-- column people_with_email: Of them, those with an e-mail address.
-- column people_with_phone: Of them, those with a mobile number.
-- column contact_id: Whom to talk to: of the people with an e-mail address or a mobile number the most senior one
--   (seeds.seniority), then one with an e-mail address, then the one with the smallest id. Of the others if no one has any.
-- column contact_name: Name of that person.
-- column contact_title: Job title.
-- column contact_seniority: Seniority of the title.
-- column contact_email: E-mail address.
-- column contact_phone: Mobile number.
-- column contact_linkedin_url: Address of the LinkedIn page.
-- column signal_count: All signals that reach it.
-- column latest_signal_id: The newest of them.
-- column latest_signal_at: When it was noticed.
-- column latest_signal_label: Name to show for its type.
-- column latest_signal_summary: What happened.
-- column completeness: Share, 0 to 1, of what is known of these eight: name, domain, LinkedIn page, industry, headquarters,
--   head count, revenue, and a person with an e-mail address.
-- column is_qualified: Whether it counts as qualified: as seeds.account_statuses says of its label, else by completeness and
--   people with an e-mail address (qualified_... in seeds.scoring).
-- column first_seen_at: When Linkt made it.
-- column updated_at: When Linkt last changed it or a copy.
-- column first_run_id: The run that first named it or a copy; empty if no landed run does.
-- column first_task: Name to show for the task of that run.
with settings as (
    select
        coalesce(max(value) filter (where setting = 'qualified_completeness'), 0) as qualified_completeness,
        coalesce(max(value) filter (where setting = 'qualified_people_with_email'), 0) as qualified_people_with_email
    from seeds.scoring
),

companies as (
    select
        company.* exclude (attributes),
        coalesce(employees_low + case employees_reading when 'at_least' then 1 else 0 end, employees_high) as heads
    from marts.companies as company
),

-- Copies are few: only these are grouped.
copies as (
    select
        root_entity_id,
        count(entity_id) as copies,
        arg_min(name, entity_id) as name,
        arg_min(domain, entity_id) as domain,
        arg_min(linkedin_url, entity_id) as linkedin_url,
        arg_min(industry, entity_id) as industry,
        arg_min(headquarters, entity_id) as headquarters,
        arg_min(country, entity_id) as country,
        arg_min(employees, entity_id) as employees,
        arg_min(heads, entity_id) as heads,
        arg_min(revenue, entity_id) as revenue,
        arg_min(external_id, entity_id) as external_id,
        arg_min(coalesce(external_source, ''), entity_id) filter (where external_id is not null) as external_source,
        arg_min(status, entity_id) as status,
        list(distinct status) filter (where status is not null) as statuses,
        list(distinct icp_id) filter (where icp_id is not null) as icp_ids,
        list(distinct icp_name) filter (where icp_name is not null) as icp_names,
        max(updated_at) as updated_at
    from companies
    where entity_id <> root_entity_id
    group by root_entity_id
),

-- Few sizes differ, and a join by a range keeps all rows of both sides in memory.
bands as (
    select
        size.heads,
        band.band
    from (select distinct heads from companies) as size
    inner join seeds.employee_bands as band
        on size.heads >= band.low and size.heads <= coalesce(band.high, 9223372036854775807)
),

accounts as (
    select
        root.entity_id as company_id,
        coalesce(root.name, copies.name) as name,
        coalesce(root.domain, copies.domain) as domain,
        coalesce(root.linkedin_url, copies.linkedin_url) as linkedin_url,
        coalesce(root.industry, copies.industry) as industry,
        coalesce(root.headquarters, copies.headquarters) as headquarters,
        coalesce(root.country, copies.country) as country,
        coalesce(root.employees, copies.employees) as employees,
        coalesce(root.heads, copies.heads) as heads,
        coalesce(root.revenue, copies.revenue) as revenue,
        coalesce(root.external_id, copies.external_id) as external_id,
        case when root.external_id is not null then root.external_source else nullif(copies.external_source, '') end
            as external_source,
        coalesce(root.status, copies.status) as status,
        array_to_string(list_sort(list_distinct(list_append(coalesce(copies.statuses, []), root.status))), ', ') as statuses,
        root.icp_id,
        root.icp_name,
        len(list_distinct(list_append(coalesce(copies.icp_ids, []), root.icp_id))) as icp_count,
        array_to_string(list_sort(list_distinct(list_append(coalesce(copies.icp_names, []), root.icp_name))), ', ')
            as icp_names,
        coalesce(copies.copies, 0) as copies,
        root.people_count,
        root.signal_count,
        root.latest_signal_at,
        root.first_seen_at,
        greatest(root.updated_at, copies.updated_at) as updated_at
    from companies as root
    left join copies on root.entity_id = copies.root_entity_id
    where root.entity_id = root.root_entity_id
),

judged as (
    select
        account.*,
        coalesce(contacts.people_with_email, 0) as people_with_email,
        coalesce(contacts.people_with_phone, 0) as people_with_phone,
        contacts.contact_id,
        contacts.contact_name,
        contacts.contact_title,
        contacts.contact_seniority,
        contacts.contact_email,
        contacts.contact_phone,
        contacts.contact_linkedin_url,
        (
            case when account.name is not null then 1 else 0 end
            + case when account.domain is not null then 1 else 0 end
            + case when account.linkedin_url is not null then 1 else 0 end
            + case when account.industry is not null then 1 else 0 end
            + case when account.headquarters is not null then 1 else 0 end
            + case when account.employees is not null then 1 else 0 end
            + case when account.revenue is not null then 1 else 0 end
            + case when contacts.people_with_email > 0 then 1 else 0 end
        ) / 8 as completeness
    from accounts as account
    left join staging.account_contacts as contacts on account.company_id = contacts.company_id
)

select
    account.company_id,
    account.name,
    account.domain,
    account.linkedin_url,
    account.industry,
    account.headquarters,
    account.country,
    account.employees,
    band.band as employee_band,
    account.revenue,
    account.external_id,
    account.external_source,
    account.status,
    nullif(account.statuses, '') as statuses,
    account.icp_id,
    account.icp_name,
    account.icp_count,
    nullif(account.icp_names, '') as icp_names,
    account.copies,
    account.people_count,
    account.people_with_email,
    account.people_with_phone,
    account.contact_id,
    account.contact_name,
    account.contact_title,
    account.contact_seniority,
    account.contact_email,
    account.contact_phone,
    account.contact_linkedin_url,
    account.signal_count,
    signals.latest_signal_id,
    account.latest_signal_at,
    signals.latest_signal_label,
    signals.latest_signal_summary,
    account.completeness,
    coalesce(
        status.is_qualified,
        account.completeness >= settings.qualified_completeness
            and account.people_with_email >= settings.qualified_people_with_email
    ) as is_qualified,
    account.first_seen_at,
    account.updated_at,
    origin.first_run_id,
    origin.first_task
from judged as account
cross join settings
left join bands as band on account.heads = band.heads
left join seeds.account_statuses as status on linkt_word(account.status) = status.status
left join staging.account_signals as signals on account.company_id = signals.company_id
left join staging.account_origins as origin on account.company_id = origin.company_id
