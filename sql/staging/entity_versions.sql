-- description: Every version of every entity that was ever landed, for history; also of those deleted in Linkt.
-- grain: one row per real change of an entity.
-- materialized: view
-- published: view
-- not_null: entity_id
-- column entity_id: The entity.
-- column content_hash: Fingerprint of the version's content.
-- column run_id: Run that named the entity when this version was fetched; empty if unknown, and if a refresh found it.
-- column version_at: When Linkt changed it to this version; when it was fetched if Linkt does not say.
-- column fetched_at: When this deployment fetched this version.
-- column entity_type: Type of the entity, in lower case.
-- column icp_id: ICP it was found for.
-- column sheet_id: Sheet it is kept in.
-- column parent_id: Entity it belongs to.
-- column status: Label given in Linkt.
-- column comments: Comments made in Linkt.
-- column external_id: Its id in another system.
-- column external_source: System that owned this id, in lower case.
-- column external_known: False for a version landed by a release that did not keep external ids.
-- column data: All fields as sent. Of an entity
--   larger than 1 MB the usual ones alone.
-- column duplicate_info: What Linkt says of duplicates.
select
    entity_id,
    content_hash,
    run_id,
    coalesce(updated_at, fetched_at) as version_at,
    fetched_at,
    linkt_word(entity_type) as entity_type,
    icp_id,
    sheet_id,
    parent_id,
    status,
    comments,
    linkt_trimmed(external_id) as external_id,
    linkt_word(external_source) as external_source,
    external_unknown is null as external_known,
    linkt_fields(data) as data,
    duplicate_info
from linkt.entity_versions
