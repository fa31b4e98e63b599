-- description: The newest version in the history of each entity is the one in linkt.entities.
-- model: linkt.entity_versions
-- severity: error
with newest as (
    select
        entity_id,
        max_by(content_hash, (coalesce(updated_at, '-infinity'), fetched_at, content_hash)) as content_hash
    from linkt.entity_versions
    group by entity_id
)

select
    entity.entity_id,
    entity.content_hash,
    newest.content_hash as newest_version
from linkt.entities as entity
left join newest using (entity_id)
where newest.content_hash is distinct from entity.content_hash
