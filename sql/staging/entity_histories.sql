-- description: Entities that have changed at least once and that Linkt still has, with a fingerprint of their versions.
-- grain: one row per entity with more than one version.
-- materialized: table
-- unique: entity_id
-- not_null: entity_id, version_count
-- column entity_id: The entity.
-- column version_count: Versions landed.
-- column last_fetched_at: When the newest was fetched.
-- column history_version: Fingerprint of all versions; another one means the history changed.
-- Most entities have one version: only of the others are digests worth their cost.
with changed as (
    select entity_id
    from linkt.entity_versions
    where entity_id not in (select entity_id from linkt.entities where deleted_at is not null)
    group by entity_id
    having count(*) > 1
),

digests as (
    select
        entity_id,
        fetched_at,
        md5_number(json_array(content_hash, run_id, epoch_us(fetched_at), epoch_us(updated_at))::varchar) as digest
    from linkt.entity_versions
    where entity_id in (select entity_id from changed)
)

select
    entity_id,
    count(digest) as version_count,
    max(fetched_at) as last_fetched_at,
    -- A sum does not depend on the order; of each digest 96 bits, so that it can't overflow.
    to_hex(sum((digest >> 32)::hugeint)) as history_version
from digests
group by entity_id
