"""The report's queries on the marts, each with a bound on its rows."""

TOTALS = """
with runs as (
    select
        count(*) as runs,
        count(*) filter (where is_success is not null) as finished_runs,
        count(*) filter (where is_success) as successful_runs,
        count(*) filter (where is_success is null) as running,
        coalesce(sum(results_open), 0)::bigint as results_open,
        coalesce(sum(results_lost), 0)::bigint as results_lost
    from marts.run_history
),

credits as (
    select
        coalesce(sum(credits), 0) as credits,
        coalesce(sum(credits) filter (
            where day >= date_trunc('month', timezone(timezone, $as_of::timestamptz))::date
        ), 0)
            as credits_this_month
    from marts.credits_daily, staging.time_zone
),

companies as (
    select
        count(*) as companies,
        count(*) filter (where first_seen_at > $as_of::timestamptz - interval 7 days) as companies_new
    from marts.companies
    where entity_id = root_entity_id
),

people as (
    select
        count(*) as people,
        count(*) filter (where first_seen_at > $as_of::timestamptz - interval 7 days) as people_new
    from marts.people
    where entity_id = root_entity_id
),

signals as (
    select
        count(*) as signals,
        count(*) filter (where detected_at > $as_of::timestamptz - interval 7 days) as signals_new
    from marts.signal_feed
)

from runs, credits, companies, people, signals
"""

CALL_LIST = """
select
    rank, name, domain, icp_names, status, score, reason, top_signal_summary, contact_name, contact_title
from marts.call_list
order by rank
limit $rows
"""

WEEKS = """
select
    week = this_week as is_this_week, sum(new_companies) as new_companies, sum(known_companies) as known_companies,
    sum(new_people) as new_people, sum(signals) as signals, sum(strong_signals) as strong_signals,
    sum(changed_entities) as changed_entities, sum(changed_fields) as changed_fields,
    sum(status_changes) as status_changes, sum(runs) as runs, sum(credits) as credits
from marts.weekly_changes, staging.calendar
where week in (this_week, this_week - 7)
group by week, this_week
"""

THIS_WEEK = """
select this_week from staging.calendar where this_week is not null
"""

NEW_COMPANIES = """
select name, domain, icp_names, is_qualified, people_count
from marts.accounts, staging.calendar
where linkt_local(first_seen_at, timezone) >= this_week
order by is_qualified desc, first_seen_at desc, company_id
limit $rows
"""

BUDGET = """
select
    task, credits, estimated_credits, counted_credits, monthly_credit_limit, projected_credits, limit_reached,
    limit_reached_on, all_tasks_credit_limit, sum(counted_credits) over () as all_tasks_credits
from marts.credits_monthly
where is_current
order by projected_credits desc, task
limit $rows
"""

CREDITS = """
select day, task, sum(credits) as credits
from marts.credits_daily
where day > $as_of::timestamptz::date - $days::integer
group by all
having sum(credits) > 0
order by all
"""

ACTIONS = """
select task, action_type, sum(credits) as credits
from marts.credits_daily
group by all
having sum(credits) > 0
order by all
"""

RUNS = """
select
    coalesce(task_key, task) as task, spent_at as created_at, run_time_seconds,
    expected_high_seconds, entities_created, entities_updated, signals_created, credits
from marts.run_history
where is_success is not null
order by spent_at desc, run_id desc
limit $rows
"""

SIGNALS_WEEKLY = """
select detected_week::date as week, coalesce(strength_level, 'not stated') as strength, count(*) as signals
from marts.signal_feed
where detected_at > $as_of::timestamptz - to_days($days::integer)
group by all
order by all
"""

SIGNALS_BY_TYPE = """
select coalesce(signal_label, 'not stated') as label, count(*) as signals
from marts.signal_feed
where detected_at > $as_of::timestamptz - to_days($days::integer)
group by all
order by signals desc, label
"""

TASKS = """
select
    task, task_type, runs, success_rate, entities_created, entities_updated, signals_created, total_credits,
    credits_per_entity_all_in, credits_per_signal_all_in, discard_rate, median_run_time_seconds
from marts.task_efficiency
order by total_credits desc nulls last, task
limit $rows
"""

COMPANIES = """
with newest as (
    select
        entity_id, name, domain, industry, headquarters, employees, people_count, signal_count, first_seen_at,
        latest_signal_at
    from marts.companies
    where entity_id = root_entity_id
    order by latest_signal_at desc nulls last, first_seen_at desc nulls last, entity_id desc
    limit $rows
),

people as (
    select
        company_root_id as company_id,
        list({'name': name, 'title': title} order by first_seen_at, entity_id)[:3] as people
    from marts.people
    where company_root_id in (select entity_id from newest) and entity_id = root_entity_id
    group by company_root_id
),

signals as (
    select company_id, arg_max(summary, detected_at) as signal
    from marts.company_signals
    where company_id in (select entity_id from newest)
    group by company_id
)

select newest.*, coalesce(people.people, []) as people, signals.signal
from newest
left join people on newest.entity_id = people.company_id
left join signals on newest.entity_id = signals.company_id
order by newest.latest_signal_at desc nulls last, newest.first_seen_at desc nulls last, newest.entity_id desc
"""

SIGNALS = """
select detected_at, signal_label, strength_level, company_names, summary, "references"[1] as source
from marts.signal_feed
order by detected_at desc nulls last, signal_id desc
limit $rows
"""

FAILURES = """
select
    spent_at as created_at, coalesce(task_key, task) as task, status_normalised as status, failure_kind, error, credits,
    run_id
from marts.run_history
where not is_success
order by spent_at desc, run_id desc
limit $rows
"""

LOSSES = """
select resource_type, state, coalesce(last_error, 'no reason given') as reason, count(*) as ids
from staging.run_resources
where state in ('missing', 'rejected')
group by all
order by ids desc, resource_type, state, reason
limit $rows
"""

FRESHNESS = """
select dataset, row_count, newest_at, last_landed_at, open_count, lost_count
from marts.data_freshness
"""
