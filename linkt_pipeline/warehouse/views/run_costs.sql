-- The one rule for what a run cost, when, and for which task. The credit limit, `status` and the SQL models all read it
-- here; linkt_pipeline/warehouse/credits.py asks the questions about months.
--
-- A run of ours belongs to the task that the ledger started it for, whatever its body says, and a time that it gives
-- counts only where another witness agrees: the ledger, or the run's id. Else a body that names another task or month
-- would hide what the run cost from monthly_credit_limit.
create or replace view linkt.run_costs as
with
executed as (
    select
        run_id,
        arg_max(execution_id, intended_at) as execution_id,
        arg_max(task_id, intended_at) as task_id,
        arg_max(task_key, intended_at) as task_key,
        min(intended_at) as intended_at
    from linkt.executions
    where run_id is not null
    group by run_id
),

-- A cost beyond a billion credits, below zero or not a number is no statement about a cost.
itemised as (
    select run_id, greatest(sum(credits), 0) as credits
    from linkt.run_credits
    where credits between -1e9 and 1e9
    group by run_id
),

landed as (
    select
        run.run_id,
        executed.execution_id,
        coalesce(executed.task_id, nullif(trim(run.task_id), '')) as task_id,
        executed.task_key,
        false as is_open,
        coalesce(run.status_normalised = 'COMPLETED', false) as is_completed,
        coalesce(case when run.total_credits between 0 and 1e9 then run.total_credits end, itemised.credits) as credits,
        case
            when regexp_full_match(run.run_id, '[0-9a-fA-F]{24}')
                then to_timestamp(('0x' || run.run_id[:8])::bigint)
        end as id_made_at,
        -- Nobody made a run before Linkt existed, or after it was read. A day allows for clocks, here and below.
        case
            when run.created_at not between timestamptz '2020-01-01 00:00:00+00' and run.fetched_at + interval 1 day
                then null
            when executed.intended_at is null
                or run.created_at between executed.intended_at - interval 1 day and executed.intended_at + interval 1 day
                or run.created_at between id_made_at - interval 1 day and id_made_at + interval 1 day
                then run.created_at
        end as made_at,
        executed.intended_at,
        run.fetched_at
    from linkt.runs as run
    left join executed on run.run_id = executed.run_id
    left join itemised on run.run_id = itemised.run_id
),

-- A run that is not landed yet costs something as well, and so may a start whose reply is not known.
underway as (
    select
        execution.run_id,
        execution.execution_id,
        execution.task_id,
        execution.task_key,
        true as is_open,
        false as is_completed,
        null::double as credits,
        null::timestamptz as id_made_at,
        null::timestamptz as made_at,
        execution.intended_at,
        execution.intended_at as fetched_at
    from linkt.executions as execution
    anti join linkt.runs as run on execution.run_id = run.run_id
    where execution.state in ('intended', 'unknown', 'started')
),

costs as (
    select * from landed
    union all
    select * from underway
),

dated as (
    select
        *,
        case
            when made_at is not null then made_at
            when intended_at is not null then intended_at
            when id_made_at between timestamptz '2020-01-01 00:00:00+00' and fetched_at + interval 1 day
                then id_made_at
            else fetched_at
        end as spent_at
    from costs
),

-- A task that was changed costs what it costs now, so only its last runs say what the next one will.
last_of_task as (
    select lower(task_id) as task_id, credits
    from dated
    where credits is not null
    qualify row_number() over (partition by lower(task_id) order by spent_at desc, run_id desc) <= 20
),

usual_of_task as (
    select task_id, median(credits) as credits from last_of_task group by task_id
),

-- What a run cost that failed half-way says nothing of the next one.
last_completed_of_task as (
    select lower(task_id) as task_id, credits
    from dated
    where credits is not null and is_completed
    qualify row_number() over (partition by lower(task_id) order by spent_at desc, run_id desc) <= 20
),

expected_of_task as (
    select task_id, median(credits) as credits from last_completed_of_task group by task_id
),

usual as (
    select median(credits) as credits from costs
)

select
    cost.run_id,
    cost.execution_id,
    cost.task_id,
    cost.task_key,
    cost.is_open,
    cost.credits,
    case when cost.credits is null then coalesce(usual_of_task.credits, usual.credits, 0) end as estimated_credits,
    cost.spent_at,
    expected_of_task.credits as expected_credits
from dated as cost
cross join usual
left join usual_of_task on lower(cost.task_id) is not distinct from usual_of_task.task_id
left join expected_of_task on lower(cost.task_id) is not distinct from expected_of_task.task_id;
