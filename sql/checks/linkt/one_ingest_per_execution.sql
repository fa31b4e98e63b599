-- description: No execution stands for two ingests.
-- model: linkt.ingests
-- severity: error
select
    execution_id,
    count(*) as ingests
from linkt.ingests
where execution_id is not null
group by execution_id
having count(*) > 1
