-- description: Every row has its ingest_id, and no two rows have the same.
-- model: linkt.ingests
-- severity: error
select
    ingest_id,
    count(*) as "rows"
from linkt.ingests
group by ingest_id
having count(*) > 1 or ingest_id is null
