-- description: What to call each Linkt task: one name a task, and no two tasks of one name.
-- grain: one row per Linkt task that is known, ran or was executed.
-- materialized: view
-- unique: task_id
-- unique: task
-- not_null: task_id, task
-- column task_id: Linkt's id of the task.
-- column task: Name to show: the entry of tasks.yaml that started runs of it; the task's name in Linkt where several
--   entries did or none; else the entry that did last; else its id. Where two tasks would have one name, the last six
--   digits of the id are added in brackets.
-- column entries: How many entries of tasks.yaml ever started a run of it; a renamed entry counts twice.
with entries as (
    select
        task_id,
        count(distinct task_key) as entries,
        min(task_key) as only_key,
        arg_max(task_key, intended_at) as newest_key
    from linkt.executions
    where run_id is not null
    group by task_id
),

known as (
    select task_id from linkt.tasks
    union
    select task_id from linkt.executions
    union
    select task_id from linkt.run_costs
),

named as (
    select
        known.task_id,
        case
            when entries.entries = 1 then entries.only_key
            else coalesce(linkt_trimmed(task.name), entries.newest_key, known.task_id)
        end as task,
        coalesce(entries.entries, 0) as entries
    from known
    left join entries on known.task_id = entries.task_id
    left join linkt.tasks as task on known.task_id = task.task_id
    where known.task_id is not null
)

select
    task_id,
    task || case when count(*) over (partition by task) > 1 then ' (' || task_id[-6:] || ')' else '' end as task,
    entries
from named
