-- description: The daily credits of each task sum to what its runs cost, to a hundred-thousandth of a credit.
-- model: marts.credits_daily
-- severity: error
with cost as (
    select
        task,
        fsum(credits) as credits
    from staging.runs
    where credits is not null
    group by task
),

shown as (
    select
        task,
        fsum(credits) as credits
    from marts.credits_daily
    group by task
)

select
    task,
    shown.credits as shown,
    cost.credits as cost
from cost
full join shown using (task)
where abs(coalesce(shown.credits, 0) - coalesce(cost.credits, 0)) > 0.00001
