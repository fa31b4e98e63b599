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
    select
        domain,
        entity_id,
        any_value(is_company) as is_company,
        count(field) as fact_count,
        max(fetched_at) as last_seen_at
    from (
        select
            entity_id,
            field,
            coalesce(entity_type = 'company', false) as is_company,
            fetched_at,
            unnest(reference_domains) as domain
        from staging.entity_attributes
    )
    group by domain, entity_id
),

by_entity as (
    select
        domain,
        sum(fact_count)::bigint as fact_count,
        count(entity_id) as entity_count,
        count(entity_id) filter (is_company) as company_count,
        max(last_seen_at) as last_seen_at
    from mentions
    group by domain
),

by_field as (
    select
        domain,
        count(field) as field_count
    from (
        select distinct
            field,
            unnest(reference_domains) as domain
        from staging.entity_attributes
    )
    group by domain
),

by_signal as (
    select
        domain,
        count(signal_id) as signal_count,
        max(fetched_at) as last_seen_at
    from staging.signal_sources
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
