-- description: What changed in each week: what was found, what happened, what became different, and what it cost.
-- grain: one row per week and ICP in which something did.
-- materialized: table
-- unique: week, icp_id
-- not_null: week, new_companies, known_companies, new_people, signals, strong_signals, changed_entities, changed_fields, status_changes, runs, credits
-- column week: Monday of the week: of runs in the time zone of their task, else in that of the deployment (timezone in
--   tasks.yaml).
-- column icp_id: ICP of the entity, signal or run; empty for what has none.
-- column icp_name: Name of that ICP.
-- column new_companies: Companies that Linkt made, their copies left out.
-- column known_companies: Copies that it made of companies known already.
-- column new_people: People that it made, their copies left out.
-- column signals: Signals that it noticed.
-- column strong_signals: Of them, those of high strength or, where the strength is unknown, with a score of 0.8 and more.
-- column changed_entities: Entities of which a field, a label or a comment became another one.
-- column changed_fields: Their fields that did, each once a version (marts.entity_changes, scope field).
-- column status_changes: How many labels given in Linkt were changed.
-- column runs: Finished runs, by the time they were made.
-- column credits: What all runs cost.
with companies as (
    select
        cast(date_trunc('week', linkt_local(company.first_seen_at, zone.timezone)) as date) as week,
        company.icp_id,
        count(company.entity_id) filter (where company.entity_id = company.root_entity_id) as new_companies,
        count(company.entity_id) filter (where company.entity_id <> company.root_entity_id) as known_companies
    from marts.companies as company
    cross join staging.time_zone as zone
    where company.first_seen_at is not null
    group by all
),

people as (
    select
        cast(date_trunc('week', linkt_local(person.first_seen_at, zone.timezone)) as date) as week,
        person.icp_id,
        count(person.entity_id) as new_people
    from marts.people as person
    cross join staging.time_zone as zone
    where person.first_seen_at is not null and person.entity_id = person.root_entity_id
    group by all
),

signals as (
    select
        cast(date_trunc('week', linkt_local(signal.detected_at, zone.timezone)) as date) as week,
        signal.icp_id,
        count(signal.signal_id) as signals,
        count(signal.signal_id) filter (where coalesce(signal.strength_level = 'high', signal.score >= 0.8)) as strong_signals
    from staging.signals as signal
    cross join staging.time_zone as zone
    where signal.detected_at is not null
    group by all
),

changes as (
    select
        cast(date_trunc('week', linkt_local(change.changed_at, zone.timezone)) as date) as week,
        entity.icp_id,
        count(distinct change.entity_id) as changed_entities,
        count(change.field) filter (where change.scope = 'field') as changed_fields,
        count(change.field) filter (where change.scope = 'record' and change.field = 'status') as status_changes
    from marts.entity_changes as change
    cross join staging.time_zone as zone
    inner join staging.entities as entity on change.entity_id = entity.entity_id
    where change.scope = 'field' or (change.scope = 'record' and change.field in ('status', 'comments'))
    group by all
),

runs as (
    select
        cast(date_trunc('week', spent_on) as date) as week,
        icp_id,
        count(run_id) filter (where is_success is not null) as runs,
        coalesce(fsum(credits), 0) as credits
    from staging.runs
    group by all
),

weeks as (
    select
        week,
        icp_id,
        new_companies,
        known_companies,
        0 as new_people,
        0 as signals,
        0 as strong_signals,
        0 as changed_entities,
        0 as changed_fields,
        0 as status_changes,
        0 as runs,
        0 as credits
    from companies
    union all
    select
        week,
        icp_id,
        0 as new_companies,
        0 as known_companies,
        new_people,
        0 as signals,
        0 as strong_signals,
        0 as changed_entities,
        0 as changed_fields,
        0 as status_changes,
        0 as runs,
        0 as credits
    from people
    union all
    select
        week,
        icp_id,
        0 as new_companies,
        0 as known_companies,
        0 as new_people,
        signals,
        strong_signals,
        0 as changed_entities,
        0 as changed_fields,
        0 as status_changes,
        0 as runs,
        0 as credits
    from signals
    union all
    select
        week,
        icp_id,
        0 as new_companies,
        0 as known_companies,
        0 as new_people,
        0 as signals,
        0 as strong_signals,
        changed_entities,
        changed_fields,
        status_changes,
        0 as runs,
        0 as credits
    from changes
    union all
    select
        week,
        icp_id,
        0 as new_companies,
        0 as known_companies,
        0 as new_people,
        0 as signals,
        0 as strong_signals,
        0 as changed_entities,
        0 as changed_fields,
        0 as status_changes,
        runs,
        credits
    from runs
)

select
    weeks.week,
    weeks.icp_id,
    any_value(icp.name) as icp_name,
    sum(weeks.new_companies)::bigint as new_companies,
    sum(weeks.known_companies)::bigint as known_companies,
    sum(weeks.new_people)::bigint as new_people,
    sum(weeks.signals)::bigint as signals,
    sum(weeks.strong_signals)::bigint as strong_signals,
    sum(weeks.changed_entities)::bigint as changed_entities,
    sum(weeks.changed_fields)::bigint as changed_fields,
    sum(weeks.status_changes)::bigint as status_changes,
    sum(weeks.runs)::bigint as runs,
    sum(weeks.credits) as credits
from weeks
left join staging.icps as icp on weeks.icp_id = icp.icp_id
group by weeks.week, weeks.icp_id
