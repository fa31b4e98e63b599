-- description: What changed on each entity, field by field, when, and by which run.
-- grain: one row per entity, version and changed field.
-- materialized: incremental
-- incremental: entity_id, history_version from staging.entity_histories
-- narrow: entity_id -> staging.entity_versions.entity_id
-- unique: entity_id, version_number, scope, field
-- not_null: entity_id, version_number, scope, field, change
-- references: entity_id -> staging.entities.entity_id
-- column entity_id: The entity.
-- column entity_type: Its type.
-- column version_number: The version that brought the change; the first change makes version 2.
-- column scope: field for the value of what Linkt researched, display where only Linkt's rendering of it changed, record for
--   type, ICP, sheet, parent, status, comments, the entity it is a copy of (primary_entity_id) and its key in another
--   system (external_id, external_source; left out if a release that did not keep them landed one of the versions).
-- column field: Name of the field.
-- column change: added, changed or removed.
-- column old_value: Value before, as JSON; empty if there was none.
-- column new_value: Value after, as JSON; empty if there is none.
-- column changed_at: When Linkt made the version; when it was fetched if Linkt does not say.
-- column fetched_at: When this deployment fetched it.
-- column run_id: Run that named the entity when the version was fetched; empty if unknown, and if a refresh found it:
--   then somebody changed it in Linkt, or a run that went on.
-- column history_version: Fingerprint of all versions of the entity.
with versions as (
    select
        version.entity_id,
        version.entity_type,
        version.run_id,
        version.version_at,
        version.fetched_at,
        history.history_version,
        version.data,
        {
            'entity_type': version.entity_type,
            'icp_id': version.icp_id,
            'status': version.status,
            'comments': version.comments,
            'parent_id': version.parent_id,
            'sheet_id': version.sheet_id,
            'primary_entity_id': version.duplicate_info ->> '$.primary_entity_id',
            'external_id': version.external_id,
            'external_source': version.external_source
        } as record,
        version.external_known and lag(version.external_known) over in_order as external_known,
        row_number() over in_order as version_number,
        lag(version.data) over in_order as old_data,
        lag(record) over in_order as old_record
    from staging.entity_histories as history
    inner join staging.entity_versions as version on history.entity_id = version.entity_id
    window in_order as (
        partition by version.entity_id order by version.version_at, version.fetched_at, version.content_hash
    )
),

paths as (
    select
        *,
        list_distinct(list_concat(coalesce(json_keys(old_data), []), coalesce(json_keys(data), []))) as names
    from versions
    where version_number > 1
),

pairs as (
    select
        * exclude (data, old_data, record, old_record, names, external_known),
        unnest(list_concat(
            list_transform(
                names,
                lambda n: {
                    'scope': 'field',
                    'field': n,
                    'old': json_extract(old_data, '/' || replace(replace(n, '~', '~0'), '/', '~1')),
                    'new': json_extract(data, '/' || replace(replace(n, '~', '~0'), '/', '~1'))
                }
            ),
            [
                {
                    'scope': 'record', 'field': 'entity_type',
                    'old': to_json(old_record.entity_type), 'new': to_json(record.entity_type)
                },
                {'scope': 'record', 'field': 'icp_id', 'old': to_json(old_record.icp_id), 'new': to_json(record.icp_id)},
                {'scope': 'record', 'field': 'status', 'old': to_json(old_record.status), 'new': to_json(record.status)},
                {'scope': 'record', 'field': 'comments', 'old': to_json(old_record.comments), 'new': to_json(record.comments)},
                {'scope': 'record', 'field': 'parent_id', 'old': to_json(old_record.parent_id), 'new': to_json(record.parent_id)},
                {'scope': 'record', 'field': 'sheet_id', 'old': to_json(old_record.sheet_id), 'new': to_json(record.sheet_id)},
                {
                    'scope': 'record', 'field': 'primary_entity_id',
                    'old': to_json(old_record.primary_entity_id), 'new': to_json(record.primary_entity_id)
                },
                {
                    'scope': 'record', 'field': 'external_id',
                    'old': case when external_known then to_json(old_record.external_id) end,
                    'new': case when external_known then to_json(record.external_id) end
                },
                {
                    'scope': 'record', 'field': 'external_source',
                    'old': case when external_known then to_json(old_record.external_source) end,
                    'new': case when external_known then to_json(record.external_source) end
                }
            ]
        )) as pair
    from paths
),

-- References and times may change without the fact, and null is no value.
told as materialized (
    select
        * exclude (pair),
        pair.scope as scope,
        pair.field as field,
        nullif(linkt_value(pair.old), 'null') as old_value,
        nullif(linkt_value(pair.new), 'null') as new_value,
        nullif(case when json_type(pair.old) = 'OBJECT' then pair.old -> '$.display' end, 'null') as old_display,
        nullif(case when json_type(pair.new) = 'OBJECT' then pair.new -> '$.display' end, 'null') as new_display
    from pairs
    where pair.old is distinct from pair.new
),

-- Nearly all values that are one are one text: only the others are spelt out. CASE keeps its order, AND does not.
values_changed as (
    select * exclude (old_display, new_display)
    from told
    where case
        when old_value is not distinct from new_value then false
        when json_type(old_value) = 'VARCHAR' and json_type(new_value) = 'VARCHAR' then true
        else linkt_canonical(old_value) <> linkt_canonical(new_value)
    end
),

displays_changed as (
    select
        * exclude (scope, old_value, new_value, old_display, new_display),
        'display' as scope,
        old_display as old_value,
        new_display as new_value
    from told
    where case
        when old_display is not distinct from new_display then false
        else linkt_canonical(old_display) <> linkt_canonical(new_display)
            and linkt_canonical(old_value) = linkt_canonical(new_value)
    end
),

changes as (
    select * from values_changed
    union all by name
    select * from displays_changed
)

select
    entity_id,
    entity_type,
    version_number,
    scope,
    field,
    case when old_value is null then 'added' when new_value is null then 'removed' else 'changed' end as change,
    old_value,
    new_value,
    version_at as changed_at,
    fetched_at,
    run_id,
    history_version
from changes
