-- description: What each ICP brings for its credits, month by month, and whether companies come with the people that the
--   ICP asks for.
-- grain: one row per ICP and month that has a run or a new company.
-- materialized: table
-- unique: month, icp_id
-- not_null: month, credits, runs, new_companies, qualified_companies, known_companies
-- column month: First day of the month: of runs in the time zone of their task, of companies in that of the deployment
--   (timezone in tasks.yaml).
-- column icp_id: The ICP; empty for runs and companies of none.
-- column icp_name: Its name.
-- column runs: Finished runs for it, by the time they were made.
-- column credits: What all its runs cost.
-- column new_companies: Companies that Linkt made for it in that month; a company counts where it was found, its copies
--   nowhere.
-- column qualified_companies: Of them, those that count as qualified now (seeds.scoring, seeds.account_statuses).
-- column known_companies: Copies that Linkt made for it in that month: companies that another ICP has, too.
-- column credits_per_new_company: Credits by new companies; empty without any.
-- column credits_per_qualified: Credits by qualified companies; empty without any.
-- column people_per_company: People by company, of the new companies, as known now; empty without any.
-- column target_people_per_company: People wanted for each company, over all targets of the ICP (staging.icp_targets), as it is
--   now; empty if it does not say.
-- column gap: People that are missing for each company to reach the target, below zero where there are more.
with runs as (
    select
        cast(date_trunc('month', spent_on) as date) as month,
        icp_id,
        count(*) filter (where is_success is not null) as runs,
        coalesce(fsum(credits), 0) as credits
    from staging.runs
    group by all
),

companies as (
    select
        cast(date_trunc('month', linkt_local(account.first_seen_at, zone.timezone)) as date) as month,
        account.icp_id,
        count(account.company_id) as new_companies,
        count(*) filter (where account.is_qualified) as qualified_companies,
        sum(account.people_count)::bigint as people
    from marts.accounts as account
    cross join staging.time_zone as zone
    where account.first_seen_at is not null
    group by all
),

copies as (
    select
        cast(date_trunc('month', linkt_local(company.first_seen_at, zone.timezone)) as date) as month,
        company.icp_id,
        count(company.entity_id) as known_companies
    from marts.companies as company
    cross join staging.time_zone as zone
    where company.first_seen_at is not null and company.entity_id <> company.root_entity_id
    group by all
),

months as (
    select month, icp_id, runs, credits, 0 as new_companies, 0 as qualified_companies, 0 as people, 0 as known_companies
    from runs
    union all
    select month, icp_id, 0, 0, new_companies, qualified_companies, people, 0
    from companies
    union all
    select month, icp_id, 0, 0, 0, 0, 0, known_companies
    from copies
),

summed as (
    select
        month,
        icp_id,
        sum(runs)::bigint as runs,
        sum(credits) as credits,
        sum(new_companies)::bigint as new_companies,
        sum(qualified_companies)::bigint as qualified_companies,
        sum(people)::bigint as people,
        sum(known_companies)::bigint as known_companies
    from months
    group by month, icp_id
),

targets as (
    select
        icp_id,
        sum(desired_count)::bigint as people
    from staging.icp_targets
    where entity_type = 'person'
    group by icp_id
)

select
    summed.month,
    summed.icp_id,
    icp.name as icp_name,
    summed.runs,
    summed.credits,
    summed.new_companies,
    summed.qualified_companies,
    summed.known_companies,
    summed.credits / nullif(summed.new_companies, 0) as credits_per_new_company,
    summed.credits / nullif(summed.qualified_companies, 0) as credits_per_qualified,
    summed.people / nullif(summed.new_companies, 0) as people_per_company,
    targets.people as target_people_per_company,
    targets.people - summed.people / nullif(summed.new_companies, 0) as gap
from summed
left join staging.icps as icp on summed.icp_id = icp.icp_id
left join targets on summed.icp_id = targets.icp_id
