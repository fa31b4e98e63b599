-- description: Entities that are copies of others: those Linkt says so of, and companies that share a domain with an
--   older one without Linkt saying anything; of a company and its copies the one that stands for them (root_entity_id).
-- grain: one row per copy and ground for taking it as one.
-- materialized: table
-- unique: entity_id, basis
-- not_null: entity_id, basis, primary_landed
-- column entity_id: The copy.
-- column entity_type: Its type.
-- column name: Its name.
-- column icp_id: ICP it was found for.
-- column basis: linkt (Linkt says so) or same_domain (a suspicion).
-- column primary_entity_id: The original, where the chain of copies ends; empty where Linkt does not say of whom it is a
--   copy. For same_domain the company first seen, those that Linkt calls a copy last.
-- column primary_name: Name of the original; what Linkt says of it is not always landed.
-- column primary_icp_id: ICP of the original.
-- column primary_icp_name: Name of that ICP, as Linkt gives it if the original is not landed.
-- column primary_landed: True if the original is landed.
-- column domain: The shared domain; empty for linkt.
-- column fetched_at: When this deployment landed the copy's version.
with said as (
    select
        entity.entity_id,
        entity.entity_type,
        entity.icp_id,
        'linkt' as basis,
        coalesce(root.original_entity_id, entity.primary_entity_id) as primary_entity_id,
        -- Linkt names the ICP of the next in the chain.
        case when coalesce(root.original_entity_id, entity.primary_entity_id) = entity.primary_entity_id
                then entity.duplicate_info ->> '$.primary_icp_name'
        end as stated_icp_name,
        cast(null as varchar) as domain,
        entity.fetched_at
    from staging.entities as entity
    left join staging.entity_roots as root on entity.entity_id = root.entity_id
    where entity.duplicate_info is not null and entity.is_duplicate
),

shared_domains as (
    select domain
    from marts.companies
    where domain is not null and entity_id = root_entity_id
    group by domain
    having count(*) > 1
),

by_domain as (
    select
        entity_id,
        icp_id,
        domain,
        fetched_at,
        first_value(entity_id) over (
            partition by domain order by is_duplicate, first_seen_at nulls last, entity_id
        ) as first_entity_id
    from marts.companies
    where domain in (select domain from shared_domains) and entity_id = root_entity_id
),

copies as (
    -- In a circle of copies one stands for all, and is no copy.
    select * from said
    where primary_entity_id is distinct from entity_id
    union all
    select
        entity_id,
        'company' as entity_type,
        icp_id,
        'same_domain' as basis,
        first_entity_id as primary_entity_id,
        cast(null as varchar) as stated_icp_name,
        domain,
        fetched_at
    from by_domain
    where entity_id <> first_entity_id
),

-- Copies are few: what is known of them is looked up among millions once, not joined with all of them.
involved as (
    select entity_id from copies
    union
    select primary_entity_id from copies
),

named as (
    select
        entity_id,
        name
    from marts.companies
    where entity_id in (select entity_id from involved)
    union all
    select
        entity_id,
        name
    from marts.people
    where entity_id in (select entity_id from involved)
),

originals as (
    select
        entity_id,
        icp_id
    from staging.entities
    where entity_id in (select entity_id from involved)
)

select
    copies.entity_id,
    copies.entity_type,
    copy_named.name,
    copies.icp_id,
    copies.basis,
    copies.primary_entity_id,
    original_named.name as primary_name,
    original.icp_id as primary_icp_id,
    coalesce(icp.name, copies.stated_icp_name) as primary_icp_name,
    original.entity_id is not null as primary_landed,
    copies.domain,
    copies.fetched_at
from copies
left join named as copy_named on copies.entity_id = copy_named.entity_id
left join named as original_named on copies.primary_entity_id = original_named.entity_id
left join originals as original on copies.primary_entity_id = original.entity_id
left join staging.icps as icp on original.icp_id = icp.icp_id
