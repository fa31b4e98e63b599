-- description: How fresh each kind of data is, and what is still on its way.
-- grain: one row per dataset.
-- materialized: view
-- unique: dataset
-- not_null: dataset, row_count, open_count
-- column dataset: runs, entities, signals, tasks, icps or sheets.
-- column row_count: Rows landed.
-- column newest_at: Newest change in Linkt that is landed (for signals: newest noticed).
-- column last_landed_at: When this deployment last landed a new or changed row.
-- column open_count: Ids that runs named and that are not landed yet; for runs, executions without a final status.
-- column lost_count: Ids that are missing in Linkt or were rejected.
with resources as (
    select
        resource_type,
        count(distinct resource_id) filter (where state = 'pending') as open_count,
        count(distinct resource_id) filter (where state in ('missing', 'rejected')) as lost_count
    from staging.run_resources
    where state <> 'landed'
    group by resource_type
),

datasets as (
    select
        'runs' as dataset,
        count(run_id) as row_count,
        max(updated_at) as newest_at,
        max(fetched_at) as last_landed_at
    from linkt.runs
    union all
    select
        'entities' as dataset,
        count(entity_id) as row_count,
        max(updated_at) as newest_at,
        max(fetched_at) as last_landed_at
    from staging.entities
    union all
    select
        'signals' as dataset,
        count(signal_id) as row_count,
        max(detected_at) as newest_at,
        max(fetched_at) as last_landed_at
    from staging.signals
    union all
    select
        'tasks' as dataset,
        count(task_id) as row_count,
        max(updated_at) as newest_at,
        max(fetched_at) as last_landed_at
    from staging.tasks
    union all
    select
        'icps' as dataset,
        count(icp_id) as row_count,
        max(updated_at) as newest_at,
        max(fetched_at) as last_landed_at
    from staging.icps
    union all
    select
        'sheets' as dataset,
        count(sheet_id) as row_count,
        max(updated_at) as newest_at,
        max(fetched_at) as last_landed_at
    from staging.sheets
),

open_runs as (
    select count(execution_id) as open_count
    from staging.executions
    where state in ('intended', 'unknown', 'started')
)

select
    datasets.dataset,
    datasets.row_count,
    datasets.newest_at,
    datasets.last_landed_at,
    case when datasets.dataset = 'runs' then open_runs.open_count
        else coalesce(resources.open_count, 0)
    end as open_count,
    coalesce(resources.lost_count, 0) as lost_count
from datasets
cross join open_runs
left join resources
    on datasets.dataset = case resources.resource_type when 'entity' then 'entities' when 'signal' then 'signals' end
