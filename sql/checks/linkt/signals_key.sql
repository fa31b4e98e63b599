-- description: Every row has its signal_id, and no two rows have the same.
-- model: linkt.signals
-- severity: error
select
    signal_id,
    count(*) as "rows"
from linkt.signals
group by signal_id
having count(*) > 1 or signal_id is null
