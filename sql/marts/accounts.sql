-- description: Who is it, whom to talk to, what happened there, how complete is what is known, and where did it come from?
--   Everything about a company on one line, over all ICPs and copies.
-- grain: one row per company; a company and its copies are one (root_entity_id in marts.companies).
-- materialized: view
-- published: view
-- rows: select count(*) from staging.account_profiles
-- unique: company_id
-- not_null: company_id, icp_count, copies, people_count, people_with_email, signals_7_days, signals_30_days, signal_count, completeness, is_qualified
-- references: company_id -> marts.companies.entity_id
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
-- column signals_7_days: Signals that reach it and were noticed in the last 7 days. Days are counted back from when signals or
--   runs were last landed (staging.calendar).
-- column signals_30_days: The same for the last 30 days.
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
-- column days_since_change: Whole days since then.
-- column first_run_id: The run that first named it or a copy; empty if no landed run does.
-- column first_task: Name to show for the task of that run.
select
    profile.company_id,
    profile.name,
    profile.domain,
    profile.linkedin_url,
    profile.industry,
    profile.headquarters,
    profile.country,
    profile.employees,
    profile.employee_band,
    profile.revenue,
    profile.external_id,
    profile.external_source,
    profile.status,
    profile.statuses,
    profile.icp_id,
    profile.icp_name,
    profile.icp_count,
    profile.icp_names,
    profile.copies,
    profile.people_count,
    profile.people_with_email,
    profile.people_with_phone,
    profile.contact_id,
    profile.contact_name,
    profile.contact_title,
    profile.contact_seniority,
    profile.contact_email,
    profile.contact_phone,
    profile.contact_linkedin_url,
    coalesce(recent.signals_7_days, 0) as signals_7_days,
    coalesce(recent.signals_30_days, 0) as signals_30_days,
    profile.signal_count,
    profile.latest_signal_id,
    profile.latest_signal_at,
    profile.latest_signal_label,
    profile.latest_signal_summary,
    profile.completeness,
    profile.is_qualified,
    profile.first_seen_at,
    profile.updated_at,
    -- The largest of nothing and 0 would be 0.
    case when profile.updated_at is not null and calendar.as_of is not null
            then greatest(floor(epoch(calendar.as_of - profile.updated_at) / 86400), 0)::bigint
    end as days_since_change,
    profile.first_run_id,
    profile.first_task
from staging.account_profiles as profile
cross join staging.calendar as calendar
left join staging.recent_signals as recent on profile.company_id = recent.company_id
