-- description: Credits spent by day, task and kind of action. Credits that Linkt's breakdown does not explain are shown
--   as "(not itemised)", below zero where it explains too many, so that the sum is what the runs cost, to a billionth.
-- grain: one row per day (when the run was made, in the task's time zone), task and action type.
-- materialized: table
-- unique: day, task, action_type
-- not_null: day, task, action_type, credits
-- column day: Day the run was made, in the time zone of its task, else of the deployment (timezone in tasks.yaml); of the
--   best time there is where Linkt gave none (staging.runs.spent_at).
-- column task_id: Linkt's id of the task; empty for runs of no known task.
-- column task: Name to show for the task; one a task, see staging.task_names.
-- column action_type: Kind of action as Linkt names it, or "(not itemised)".
-- column credits: Credits spent.
-- column runs: Runs that spent them.
with itemised as (
    select
        run_id,
        action_type,
        credits
    from staging.run_credits
    where credits is not null
),

remainders as (
    select
        run.run_id,
        '(not itemised)' as action_type,
        -- The breakdown of 0.3 in 0.1 and 0.2 adds up, although the last digit of a double says otherwise.
        round(run.credits - coalesce(fsum(item.credits), 0), 9) as credits
    from staging.runs as run
    left join itemised as item on run.run_id = item.run_id
    where run.credits is not null
    group by run.run_id, run.credits
),

spent as (
    select * from itemised
    union all
    select * from remainders where credits != 0
)

select
    run.spent_on as day,
    run.task_id,
    run.task,
    spent.action_type,
    fsum(spent.credits) as credits,
    count(distinct spent.run_id) as runs
from spent
inner join staging.runs as run on spent.run_id = run.run_id
group by all
