-- description: Every row has its sheet_id, and no two rows have the same.
-- model: linkt.sheets
-- severity: error
select
    sheet_id,
    count(*) as "rows"
from linkt.sheets
group by sheet_id
having count(*) > 1 or sheet_id is null
