-- description: Entities that have changed at least once, with a fingerprint of their versions.
-- grain: one row per entity with more than one version.
-- materialized: table
-- unique: entity_id
-- not_null: entity_id, version_count
-- column entity_id: The entity.
-- column version_count: Versions landed.
-- column last_fetched_at: When the newest was fetched.
-- column history_version: Fingerprint of all versions; another one means the history changed.
select
    entity_id,
    count(content_hash) as version_count,
    max(fetched_at) as last_fetched_at,
    hash(sum(hash(content_hash, run_id, fetched_at, updated_at)::hugeint)) as history_version
from linkt.entity_versions
group by entity_id
having count(*) > 1
