-- description: Nothing is waiting to be fetched; `linkt-pipeline sync` fetches what is.
-- model: linkt.run_resources
-- severity: warn
select
    run_id,
    resource_type,
    count(*) as pending
from linkt.run_resources
where state = 'pending'
group by all
