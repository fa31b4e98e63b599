-- description: Every booked id belongs to a landed run.
-- model: linkt.run_resources
-- severity: warn
select distinct run_id
from linkt.run_resources
anti join linkt.runs using (run_id)
