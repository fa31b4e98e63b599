-- description: Whom each copy stands for in the end: chains of copies followed to their original, circles cut at their
--   smallest id, and one landed copy put in the place of an original that is not landed. An entity is no copy of itself,
--   and none of a landed entity of another type, whatever Linkt says.
-- grain: one row per entity that Linkt calls a copy of another and says of which.
-- materialized: table
-- tells: entity_id, original_entity_id, root_entity_id
-- unique: entity_id
-- not_null: entity_id, original_entity_id, root_entity_id
-- references: root_entity_id -> staging.entities.entity_id
-- column entity_id: The copy.
-- column original_entity_id: Where its chain ends; may not be landed. In a circle of copies the one with the smallest id.
-- column root_entity_id: The landed entity that stands for the whole group: the original, or, where that is not landed,
--   the one with the smallest id of those that point at it.
with stated as (
    select
        entity_id,
        entity_type,
        primary_entity_id
    from staging.entities
    where duplicate_info is not null and is_duplicate and primary_entity_id <> entity_id
),

landed as (
    select
        entity_id,
        entity_type
    from staging.entities
    where entity_id in (select primary_entity_id from stated)
),

-- A person can't be the copy of a company.
links as (
    select
        stated.entity_id,
        stated.primary_entity_id
    from stated
    left join landed on stated.primary_entity_id = landed.entity_id
    where landed.entity_id is null or landed.entity_type is not distinct from stated.entity_type
),

-- Each round doubles the steps taken, so ten rounds follow a chain over a thousand of them.
jumps as (
    with recursive jump as (
        select
            entity_id,
            primary_entity_id as reached,
            least(entity_id, primary_entity_id) as smallest,
            0 as round
        from links
        union all
        select
            this.entity_id,
            coalesce(next.reached, this.reached) as reached,
            least(this.smallest, next.smallest) as smallest,
            this.round + 1 as round
        from jump as this
        left join jump as next on this.reached = next.entity_id
        where this.round < 10
    )

    select
        entity_id,
        reached,
        smallest
    from jump
    where round = 10
),

-- Whoever still has somewhere to go after a thousand steps goes round in a circle.
ends as (
    select
        this.entity_id,
        coalesce(circle.smallest, this.reached) as original_entity_id
    from jumps as this
    left join jumps as circle on this.reached = circle.entity_id
),

stand_ins as (
    select
        links.primary_entity_id as original_entity_id,
        min(links.entity_id) as entity_id
    from links
    anti join landed on links.primary_entity_id = landed.entity_id
    group by links.primary_entity_id
)

select
    ends.entity_id,
    ends.original_entity_id,
    coalesce(stand_ins.entity_id, ends.original_entity_id) as root_entity_id
from ends
left join stand_ins on ends.original_entity_id = stand_ins.original_entity_id
