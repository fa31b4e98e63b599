-- description: Is the budget enough, and until when? What each task spends in a month, against its limit. Counted as the limit
--   counts: a run that is open, or does not say what it cost, at the median of its task's runs.
-- grain: one row per month (when the run was made, in the task's time zone) and task; a task with a limit has a row for the
--   current month before it spends anything.
-- materialized: table
-- unique: month, task
-- not_null: month, task, timezone, runs, credits, estimated_credits, counted_credits, is_current, projected_credits
-- column month: First day of the month, in the time zone of the task, else of the deployment (timezone in tasks.yaml).
-- column task_id: Linkt's id of the task; empty for runs of no known task.
-- column task: Name to show for the task; one a task, see staging.task_names.
-- column timezone: That time zone.
-- column runs: Runs of the month, open ones included.
-- column credits: What they say that they cost; the sum of marts.credits_daily.
-- column estimated_runs: Of them, those that are open or say nothing of their cost.
-- column estimated_credits: What those are expected to cost.
-- column counted_credits: Both together, which is what the limit is compared with.
-- column monthly_credit_limit: Credits a month beyond which no run is started, as tasks.yaml says now; the smallest, where
--   several entries execute the task. Empty without a limit.
-- column all_tasks_credit_limit: Credits a month of all tasks together (monthly_credit_limit on the top level of tasks.yaml);
--   the same in every row. Empty without such a limit.
-- column share_of_limit: Counted credits by the limit; empty without one, and for a limit of 0.
-- column is_current: True for the month in which signals or runs were last landed.
-- column projected_credits: What the month comes to if it goes on as it began (at least a day is taken as gone); of other
--   months what was counted.
-- column limit_reached: True if nothing more is started in that month. Empty without a limit.
-- column limit_reached_on: Day on which the limit was reached; in the current month also the day on which it will be, if the
--   month goes on as it began. Empty if it is not.
with costs as (
    select
        cost.task_id,
        coalesce(run.task, name.task) as task,
        coalesce(budget.timezone, zone.timezone) as timezone,
        cast(timezone(coalesce(budget.timezone, zone.timezone), cost.spent_at) as date) as spent_on,
        cost.credits,
        cost.estimated_credits
    from linkt.run_costs as cost
    cross join staging.time_zone as zone
    left join staging.runs as run on cost.run_id = run.run_id
    left join staging.task_names as name on cost.task_id = name.task_id
    left join staging.task_budgets as budget on lower(cost.task_id) = budget.task_id
),

days as (
    select
        task_id,
        task,
        timezone,
        spent_on,
        cast(date_trunc('month', spent_on) as date) as month,
        count(spent_on) as runs,
        coalesce(fsum(credits), 0) as credits,
        count(estimated_credits) as estimated_runs,
        coalesce(fsum(estimated_credits), 0) as estimated_credits
    from costs
    group by all
),

running as (
    select
        *,
        round(
            sum(credits + estimated_credits) over (
                partition by month, task order by spent_on rows between unbounded preceding and current row
            ), 9
        ) as counted_so_far
    from days
),

limits as (
    select
        name.task_id,
        name.task,
        budget.timezone,
        budget.monthly_credit_limit,
        timezone(budget.timezone, timezone('UTC', calendar.as_of)) as present
    from staging.task_budgets as budget
    cross join staging.calendar as calendar
    inner join staging.task_names as name on budget.task_id = lower(name.task_id)
    where budget.monthly_credit_limit is not null and calendar.as_of is not null
    qualify row_number() over (partition by budget.task_id order by name.task_id) = 1
),

months as (
    select
        running.month,
        running.task_id,
        running.task,
        any_value(running.timezone) as timezone,
        sum(running.runs)::bigint as runs,
        fsum(running.credits) as credits,
        sum(running.estimated_runs)::bigint as estimated_runs,
        fsum(running.estimated_credits) as estimated_credits,
        min(running.spent_on) filter (where running.counted_so_far >= limits.monthly_credit_limit) as reached_on
    from running
    left join limits on lower(running.task_id) = lower(limits.task_id)
    group by running.month, running.task_id, running.task
    union all
    select
        cast(date_trunc('month', limits.present) as date) as month,
        limits.task_id,
        limits.task,
        limits.timezone,
        0 as runs,
        0 as credits,
        0 as estimated_runs,
        0 as estimated_credits,
        cast(null as date) as reached_on
    from limits
    anti join running
        on limits.task = running.task and cast(date_trunc('month', limits.present) as date) = running.month
),

counted as (
    select
        months.*,
        months.credits + months.estimated_credits as counted_credits,
        limits.monthly_credit_limit,
        case when limits.monthly_credit_limit <= 0 then months.month else months.reached_on end as limit_met_on,
        coalesce(
            months.month = date_trunc('month', timezone(months.timezone, timezone('UTC', calendar.as_of))), false
        ) as is_current,
        -- Seconds of the month that are gone, and all it has.
        greatest(
            epoch(timezone(months.timezone, timezone('UTC', calendar.as_of)) - months.month::timestamp), 86400
        ) as gone,
        epoch((months.month + interval 1 month)::timestamp - months.month::timestamp) as whole
    from months
    cross join staging.calendar as calendar
    left join limits on lower(months.task_id) = lower(limits.task_id)
)

select
    month,
    task_id,
    task,
    timezone,
    runs,
    credits,
    estimated_runs,
    estimated_credits,
    counted_credits,
    monthly_credit_limit,
    (
        select max(try_cast(value as double)) from linkt.settings where name = 'monthly_credit_limit'
    ) as all_tasks_credit_limit,
    counted_credits / nullif(monthly_credit_limit, 0) as share_of_limit,
    is_current,
    case when is_current then counted_credits * greatest(whole / gone, 1) else counted_credits end as projected_credits,
    case when monthly_credit_limit is not null then limit_met_on is not null end as limit_reached,
    case
        when limit_met_on is not null then limit_met_on
        when is_current and counted_credits > 0 and monthly_credit_limit / counted_credits * gone < whole
            then cast(month::timestamp + to_seconds(monthly_credit_limit / counted_credits * gone) as date)
    end as limit_reached_on
from counted
