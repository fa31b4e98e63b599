-- description: Which web domains back the facts: how many fields and signals name each as a source.
-- grain: one row per domain.
-- materialized: table
-- unique: domain
-- not_null: domain, fact_count, entity_count, signal_count
-- column domain: Domain, lower case, without "www.".
-- column fact_count: Fields of entities that name it.
-- column entity_count: Entities with at least one such field.
-- column company_count: Companies among them.
-- column field_count: Different field names it backs.
-- column signal_count: Signals that name it.
-- column last_seen_at: When the newest entity or signal that names it was landed.
with mentions as (
    -- Grouping by a short hash is quicker than by a text; at this scale no two entities share one.
    select
        domain,
        hash(entity_id) as entity,
        any_value(entity_type) as entity_type,
        count(field) as fact_count,
        max(fetched_at) as last_seen_at
    from (
        select entity_id, entity_type, field, fetched_at, unnest(reference_domains) as domain
        from staging.entity_attributes
        where len(reference_domains) > 0
    )
    group by domain, entity
),

by_entity as (
    select
        domain,
        sum(fact_count)::bigint as fact_count,
        count(entity) as entity_count,
        count(entity) filter (entity_type = 'company') as company_count,
        max(last_seen_at) as last_seen_at
    from mentions
    group by domain
),

by_field as (
    select domain, count(distinct field) as field_count
    from (
        select field, unnest(reference_domains) as domain
        from (select distinct field, reference_domains from staging.entity_attributes)
    )
    group by domain
),

by_signal as (
    select
        domain,
        count(signal_id) as signal_count,
        max(fetched_at) as last_seen_at
    from (
        select
            signal_id,
            fetched_at,
            unnest(list_distinct(list_transform(
                "references",
                lambda r: lower(regexp_extract(
                    r, '^(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^/@]*@)?(?:[wW]{3}\.)?([^/:?#\s]+\.[^/:?#\s]+)', 1
                ))
            ))) as domain
        from staging.signals
        where len("references") > 0
    )
    where domain <> ''
    group by domain
)

select
    coalesce(by_entity.domain, by_signal.domain) as domain,
    coalesce(by_entity.fact_count, 0) as fact_count,
    coalesce(by_entity.entity_count, 0) as entity_count,
    coalesce(by_entity.company_count, 0) as company_count,
    coalesce(by_field.field_count, 0) as field_count,
    coalesce(by_signal.signal_count, 0) as signal_count,
    greatest(by_entity.last_seen_at, by_signal.last_seen_at) as last_seen_at
from by_entity
left join by_field on by_entity.domain = by_field.domain
full join by_signal on by_entity.domain = by_signal.domain
