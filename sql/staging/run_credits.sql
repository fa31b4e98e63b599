-- description: What each run spent, by kind of action.
-- grain: one row per run and action type.
-- materialized: view
-- unique: run_id, action_type
-- not_null: run_id, action_type
-- references: run_id -> staging.runs.run_id
-- column run_id: The run.
-- column action_type: Kind of action as Linkt names it; an open set (search_company, enrich_person, ...).
-- column credits: Credits spent on it; fractions are normal. Empty where what was sent can't be a number of credits.
select
    run_id,
    action_type,
    case when credits between -1e9 and 1e9 then credits end as credits
from linkt.run_credits
