-- description: The daily credits sum to what the runs report, to a hundredth of a credit.
-- model: marts.credits_daily
-- severity: error
with reported as (
    select
        run.run_id,
        coalesce(run.total_credits, sum(item.credits), 0) as credits
    from staging.runs as run
    left join staging.run_credits as item on run.run_id = item.run_id
    group by run.run_id, run.total_credits
),

sums as (
    select
        (select coalesce(sum(credits), 0) from marts.credits_daily) as shown,
        (select coalesce(sum(credits), 0) from reported) as reported
)

select
    shown,
    reported
from sums
where abs(shown - reported) > 0.01 + 0.006 * (select count(*) from staging.runs)
