-- description: Which company each entity counts towards: a company itself, a copy its original, a person (or whatever
--   else has a parent) the company it belongs to. An original that is not landed, or deleted, counts as the copy that
--   stands for it. What belongs to a company that is not landed, or deleted, counts towards none.
-- grain: one row per entity that is a company or belongs to one; originals that are not landed, but copies of theirs, too.
-- materialized: incremental
-- incremental: entity_id from staging.entities
-- follows linkt.entities: select entity_id from changed
--   union all select entity_id from linkt.entities where parent_id in (select entity_id from changed)
--   union all select original_entity_id from staging.entity_roots where root_entity_id in (
--   select entity_id from changed
--   union all select entity_id from linkt.entities where parent_id in (select entity_id from changed))
-- follows staging.entity_roots: with touched as (select entity_id from changed union select original_entity_id from changed),
--   children as (select entity_id from linkt.entities where parent_id in (select entity_id from touched))
--   select entity_id from touched union all select entity_id from children
--   union all select original_entity_id from staging.entity_roots where root_entity_id in (
--   select entity_id from touched union all select entity_id from children)
-- tells: entity_id, root_entity_id, company_id
-- unique: entity_id
-- not_null: entity_id, root_entity_id, company_id
-- references: company_id -> staging.entities.entity_id
-- column entity_id: The entity.
-- column entity_type: Its type.
-- column root_entity_id: The entity that stands for it and all its copies; itself where it is no copy.
-- column company_id: The company, or what stands for it and its copies.
with gone as (
    select distinct
        original_entity_id as entity_id,
        root_entity_id
    from staging.entity_roots
    where original_entity_id <> root_entity_id
),

roots as (
    select
        entity_id,
        root_entity_id
    from staging.entity_roots
    union all
    select * from gone
),

entities as (
    select
        entity_id,
        entity_type,
        parent_id
    from staging.entities
    union all
    select
        gone.entity_id,
        linkt_word(stand_in.entity_type) as entity_type,
        stand_in.parent_id
    from gone
    inner join linkt.entities as stand_in on gone.root_entity_id = stand_in.entity_id
    where stand_in.deleted_at is null
)

select counted.*
from (
    select
        entity.entity_id,
        entity.entity_type,
        coalesce(own.root_entity_id, entity.entity_id) as root_entity_id,
        case when entity.entity_type = 'company' then coalesce(own.root_entity_id, entity.entity_id)
            else coalesce(parent.root_entity_id, entity.parent_id)
        end as company_id
    from entities as entity
    left join roots as own on entity.entity_id = own.entity_id
    left join roots as parent on entity.parent_id = parent.entity_id
    where entity.entity_type = 'company' or entity.parent_id is not null
) as counted
semi join (
    select entity_id from linkt.entities
    where deleted_at is null
) as company on counted.company_id = company.entity_id
