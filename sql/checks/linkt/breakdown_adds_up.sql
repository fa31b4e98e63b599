-- description: Each run's credits by action add up to its total, to within one percent.
-- model: linkt.run_credits
-- severity: warn
-- Linkt does not promise that a breakdown adds up. Below one credit, a hundredth of a credit is allowed.
select
    runs.run_id,
    any_value(runs.total_credits) as total_credits,
    sum(credits) as breakdown
from linkt.runs as runs
join linkt.run_credits using (run_id)
where total_credits is not null
group by runs.run_id
having abs(breakdown - any_value(total_credits)) > 0.01 * greatest(1, abs(any_value(total_credits)))
