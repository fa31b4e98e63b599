-- description: Every field of every entity, custom fields included, whatever its form: the long table to ask when a
--   field is not a column elsewhere.
-- grain: one row per entity and field.
-- materialized: incremental
-- incremental: entity_id, fetched_at from staging.entities
-- follows linkt.entities: entity_id
-- unique: entity_id, field
-- not_null: entity_id, field
-- column entity_id: The entity.
-- column entity_type: Its type.
-- column icp_id: ICP it was found for.
-- column field: Name of the field exactly as sent; upper and lower case are different fields.
-- column value: The value as JSON: text, number, boolean, list, object or null.
-- column value_type: Kind of JSON value: VARCHAR, UBIGINT, BIGINT, DOUBLE, BOOLEAN, ARRAY, OBJECT or NULL.
-- column value_text: The value as readable text; for lists and objects what Linkt displays, else the parts joined.
-- column value_number: The value as a number, if it has one reading as a number: 1000, "1,000", "1.234,5"; not "1.234", which has two readings.
-- column display: Linkt's own rendering; often absent.
-- column "references": Web addresses that back the value.
-- column reference_domains: Their domains, each once, without "www.".
-- column created_at: When the field was first filled.
-- column updated_at: When it was last changed.
-- column fetched_at: When this deployment landed the entity's present version.
with fields as (
    select
        entity.entity_id,
        entity.entity_type,
        entity.icp_id,
        entity.fetched_at,
        try_cast(entity.data as map(varchar, json)) as all_fields,
        -- A field named twice would be two rows of one key: the first counts. Rare, so only then worth the search.
        unnest(
            case when len(list_distinct(json_keys(entity.data))) = len(json_keys(entity.data)) then map_entries(all_fields)
                else list_filter(
                    map_entries(all_fields), lambda e, place: list_position(map_keys(all_fields), e.key) = place
                )
            end
        ) as entry
    from staging.entities as entity
),

attributes as (
    select
        entity_id,
        entity_type,
        icp_id,
        fetched_at,
        entry.key as field,
        entry.value as attribute,
        json_extract(entry.value, ['$.display', '$.references', '$.created_at', '$.updated_at']) as part
    from fields
),

values_and_references as (
    select
        entity_id,
        entity_type,
        icp_id,
        fetched_at,
        field,
        linkt_value(attribute) as value,
        part[1] ->> '$' as display,
        case json_type(part[2])
            when 'ARRAY' then list_filter(from_json(part[2], '["VARCHAR"]'), lambda r: r is not null)
            when 'VARCHAR' then [part[2] ->> '$']
            else []
        end as "references",
        try_cast(part[3] ->> '$' as timestamptz) as created_at,
        try_cast(part[4] ->> '$' as timestamptz) as updated_at
    from attributes
),

typed as (
    select
        *,
        coalesce(json_type(value), 'NULL') as value_type,
        case json_type(value)
            when 'ARRAY' then coalesce(nullif(display, ''), linkt_text(value), '')
            when 'OBJECT' then coalesce(
                nullif(display, ''),
                linkt_place_text(concat_ws(', ', value ->> '$.city', value ->> '$.state', value ->> '$.country')),
                value ->> '$.url',
                value ->> '$.amount',
                value ->> '$'
            )
            when 'VARCHAR' then case when regexp_matches(value ->> '$', '^\s*\[') then linkt_text(value) else value ->> '$' end
            else value ->> '$'
        end as value_text
    from values_and_references
)

select
    entity_id,
    entity_type,
    icp_id,
    field,
    value,
    value_type,
    value_text,
    case
        when value_type in ('UBIGINT', 'BIGINT', 'DOUBLE') and isfinite(try_cast(value_text as double)) then try_cast(value_text as double)
        -- Most texts are prose: only what begins like a number is looked at.
        when value_type = 'VARCHAR' and strlen(value_text) < 64 and regexp_matches(value_text, '^\s*[-−–]?[.\d０-９]')
            then linkt_number(linkt_plain(value_text))
    end as value_number,
    display,
    "references",
    list_distinct(list_filter(list_transform("references", lambda r: linkt_domain(r)), lambda d: d is not null))
        as reference_domains,
    created_at,
    updated_at,
    fetched_at
from typed
