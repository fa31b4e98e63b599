-- description: Every row has its day, endpoint, and no two rows have the same.
-- model: linkt.runs
-- severity: error
select
    day,
    endpoint,
    count(*) as "rows"
from linkt.api_usage
group by day, endpoint
having count(*) > 1 or day is null or endpoint is null
