-- description: What tasks.yaml says of each Linkt task: the zone of its days and months, and its monthly limit of credits.
-- grain: one row per Linkt task that has an entry in tasks.yaml.
-- materialized: view
-- unique: task_id
-- not_null: task_id, timezone
-- column task_id: Linkt's id of the task, in lower case.
-- column task_keys: Its entries in tasks.yaml, in alphabetical order.
-- column timezone: Zone of its days and months; that of the deployment where its entries name several.
-- column monthly_credit_limit: Credits a month beyond which no run is started; of several entries the smallest. Empty if there
--   is none.
select
    lower(entry.task_id) as task_id,
    array_to_string(list_sort(list(entry.task_key)), ', ') as task_keys,
    case when count(distinct entry.timezone) = 1 then min(entry.timezone) else any_value(zone.timezone) end as timezone,
    min(entry.monthly_credit_limit) as monthly_credit_limit
from linkt.task_entries as entry
cross join staging.time_zone as zone
group by lower(entry.task_id)
