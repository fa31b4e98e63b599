-- description: The credits of each task and month are the sum of its days, to a hundred-thousandth of a credit.
-- model: marts.credits_monthly
-- severity: error
with daily as (
    select
        cast(date_trunc('month', day) as date) as month,
        task,
        fsum(credits) as credits
    from marts.credits_daily
    group by all
)

select
    month,
    task,
    monthly.credits as shown,
    daily.credits as daily
from marts.credits_monthly as monthly
full join daily using (month, task)
where abs(coalesce(monthly.credits, 0) - coalesce(daily.credits, 0)) > 0.00001
