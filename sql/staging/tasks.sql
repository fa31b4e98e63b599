-- description: Linkt's tasks (reusable workflow templates), so that names can be shown instead of ids.
-- grain: one row per task.
-- materialized: view
-- unique: task_id
-- not_null: task_id
-- column task_id: Linkt's id of the task.
-- column name: Name given in Linkt.
-- column description: Description given in Linkt.
-- column flow_name: Workflow it runs: search, ingest, signal-topic and so on.
-- column task_type: Kind of task by its configuration; the workflow's name where the configuration does not say.
-- column icp_id: ICP the task belongs to; may be empty.
-- column prompt: Prompt template, if the task has one.
-- column task_config: Whole configuration as sent.
-- column created_at: When the task was made in Linkt.
-- column updated_at: When it was last changed there.
-- column fetched_at: When this deployment last saw a change of it.
select
    task_id,
    name,
    description,
    flow_name,
    coalesce(task_config ->> '$.type', task_config ->> '$.config_type', flow_name) as task_type,
    icp_id,
    prompt,
    task_config,
    created_at,
    updated_at,
    fetched_at
from linkt.tasks
