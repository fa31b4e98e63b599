-- description: Every row has its name, and no two rows have the same.
-- model: linkt.settings
-- severity: error
select
    name,
    count(*) as "rows"
from linkt.settings
group by name
having count(*) > 1 or name is null
