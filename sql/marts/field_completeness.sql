-- description: Which data can be relied on? How often each field is filled, how often a source backs it, and how old it is.
-- grain: one row per ICP, type of entity and field that one of them has.
-- materialized: table
-- unique: icp_id, entity_type, field
-- not_null: field, entities, filled, rate, with_reference
-- column icp_id: ICP the entities were found for; copies count in the ICP that has them.
-- column icp_name: Name of that ICP.
-- column entity_type: company, person or another type of Linkt's, in lower case.
-- column field: Name of the field exactly as sent.
-- column entities: Landed entities of this ICP and type, with the field or without.
-- column filled: Of them, those whose field holds something: no empty text, list or object. A text such as "N/A" is something.
-- column rate: Filled by entities, 0 to 1.
-- column with_reference: Of the filled ones, those that name a source.
-- column reference_rate: With a source by filled, 0 to 1; empty if none is filled.
-- column median_age_days: Median age of the filled fields in days, since they were last changed, or filled if they never were;
--   of an even number of fields the newer one of the middle. Counted back from when signals or runs were last landed.
--   Empty where Linkt gives no times.
with entities as (
    select
        icp_id,
        entity_type,
        count(entity_id) as entities
    from staging.entities
    group by all
),

fields as (
    select
        attribute.icp_id,
        attribute.entity_type,
        attribute.field,
        len(attribute."references") > 0 as has_reference,
        date_diff('day', coalesce(attribute.updated_at, attribute.created_at)::date, calendar.as_of::date)::integer as days,
        trim(attribute.value_text) not in ('', '{}') as is_filled
    from staging.entity_attributes as attribute
    cross join staging.calendar as calendar
),

counted as (
    select
        icp_id,
        entity_type,
        field,
        count(*) filter (where is_filled) as filled,
        count(*) filter (where is_filled and has_reference) as with_reference,
        quantile_disc(days, 0.5) filter (where is_filled) as median_age_days
    from fields
    group by all
)

select
    counted.icp_id,
    icp.name as icp_name,
    counted.entity_type,
    counted.field,
    entities.entities,
    counted.filled,
    counted.filled / entities.entities as rate,
    counted.with_reference,
    counted.with_reference / nullif(counted.filled, 0) as reference_rate,
    counted.median_age_days
from counted
inner join entities
    on counted.icp_id is not distinct from entities.icp_id
        and counted.entity_type is not distinct from entities.entity_type
left join staging.icps as icp on counted.icp_id = icp.icp_id
