-- description: Where does a company come from? Which run found or updated which entity, and what that cost.
-- grain: one row per run and entity that the run names.
-- materialized: view
-- published: view
-- rows: select sum(entities_touched) from marts.run_history
-- unique: run_id, entity_id
-- not_null: run_id, entity_id, action, task, spent_at
-- column run_id: The run.
-- column entity_id: The entity; may not be landed, or deleted.
-- column action: created, or updated where the run names it as updated only.
-- column state: pending, landed, deleted (landed, then deleted in Linkt), missing (gone before it was landed), rejected or
--   erased (removed here on request).
-- column task_id: Linkt's id of the run's task; empty for runs of no known task.
-- column task: Name to show for the task; one a task, see staging.task_names.
-- column task_type: search, ingest, signal or profile; empty on legacy runs.
-- column icp_id: ICP of the run.
-- column icp_name: Name of that ICP.
-- column spent_at: When the run was made.
-- column spent_on: Day of it, in the time zone of the task, else of the deployment (timezone in tasks.yaml).
-- column credits: Its share of what the run cost, which is divided by all entities and signals that the run names, each
--   entity once; empty if the cost is not known.
with named as (
    select
        run_id,
        resource_id as entity_id,
        action,
        state
    from staging.run_resources
    where resource_type = 'entity' and action = 'created'
    union all
    select
        updated.run_id,
        updated.resource_id as entity_id,
        updated.action,
        updated.state
    from staging.run_resources as updated
    anti join staging.run_resources as created
        on updated.run_id = created.run_id
            and updated.resource_id = created.resource_id
            and created.resource_type = 'entity'
            and created.action = 'created'
    where updated.resource_type = 'entity' and updated.action = 'updated'
),

gone as (
    select entity_id
    from linkt.entities
    where deleted_at is not null
)

select
    named.run_id,
    named.entity_id,
    named.action,
    case when named.state = 'landed' and gone.entity_id is not null then 'deleted' else named.state end as state,
    run.task_id,
    run.task,
    run.task_type,
    run.icp_id,
    run.icp_name,
    run.spent_at,
    run.spent_on,
    run.credits / (run.entities_touched + run.signals_created) as credits
from named
inner join marts.run_history as run on named.run_id = run.run_id
left join gone on named.entity_id = gone.entity_id
