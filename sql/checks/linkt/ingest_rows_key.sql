-- description: Every row has its ingest_id, row_number, and no two rows have the same.
-- model: linkt.ingest_rows
-- severity: error
select
    ingest_id,
    row_number,
    count(*) as "rows"
from linkt.ingest_rows
group by ingest_id, row_number
having count(*) > 1 or ingest_id is null or row_number is null
