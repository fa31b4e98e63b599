-- description: Every credit row belongs to a landed run.
-- model: linkt.run_credits
-- severity: warn
select distinct run_id
from linkt.run_credits
anti join linkt.runs using (run_id)
