-- description: The time zone of the deployment (timezone in tasks.yaml): whose days, weeks and months are counted where no
--   task has its own.
-- grain: one row.
-- materialized: view
-- unique: timezone
-- not_null: timezone
-- column timezone: Its name; UTC where tasks.yaml names none.
select coalesce(max(value) filter (where name = 'timezone'), 'UTC') as timezone
from linkt.settings
