-- description: Every row has its kind, hash, and no two rows have the same.
-- model: linkt.run_resources
-- severity: error
select
    kind,
    hash,
    count(*) as "rows"
from linkt.tombstones
group by kind, hash
having count(*) > 1 or kind is null or hash is null
