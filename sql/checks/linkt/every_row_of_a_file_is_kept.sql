-- description: linkt.ingest_rows holds as many rows of each ingested file as the file has.
-- model: linkt.ingests
-- severity: error
select
    ingest_id,
    file_rows,
    count(kept.row_number) as kept
from linkt.ingests as ingest
left join linkt.ingest_rows as kept using (ingest_id)
group by ingest_id, file_rows
having count(kept.row_number) <> file_rows
