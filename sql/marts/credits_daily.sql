-- description: Credits spent by day, task and kind of action. Credits that Linkt's breakdown does not explain are shown
--   as "(not itemised)", so that the sum is what the runs report.
-- grain: one row per day (UTC, when the run was made), task and action type.
-- materialized: table
-- unique: day, task, action_type
-- not_null: task, action_type, credits
-- column day: Day the run was made, in UTC; empty if Linkt gave no time.
-- column task: Name to show for the task.
-- column action_type: Kind of action as Linkt names it, or "(not itemised)".
-- column credits: Credits spent.
-- column runs: Runs that spent them.
with itemised as (
    select
        run_id,
        action_type,
        credits
    from staging.run_credits
),

remainders as (
    select
        run.run_id,
        '(not itemised)' as action_type,
        run.total_credits - coalesce(sum(item.credits), 0) as credits
    from staging.runs as run
    left join itemised as item on run.run_id = item.run_id
    where run.total_credits is not null
    group by run.run_id, run.total_credits
    -- Fractions do not add up to the last digit.
    having abs(run.total_credits - coalesce(sum(item.credits), 0)) > 0.005
),

spent as (
    select * from itemised
    union all
    select * from remainders
)

select
    cast(timezone('UTC', run.created_at) as date) as day,
    coalesce(run.task, 'unknown') as task,
    spent.action_type,
    coalesce(sum(spent.credits), 0) as credits,
    count(distinct spent.run_id) as runs
from spent
left join staging.runs as run on spent.run_id = run.run_id
group by all
