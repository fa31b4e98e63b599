-- The keys that other systems know entities by, and what else a signal knows. Linkt sent them before they were kept, so
-- the payloads fill the rows landed before. Of versions there is no payload but the newest's: of the others it is
-- unknown, which is not the same as none.
alter table linkt.entities add column external_id varchar;
alter table linkt.entities add column external_source varchar;
alter table linkt.entity_versions add column external_id varchar;
alter table linkt.entity_versions add column external_source varchar;
alter table linkt.entity_versions add column external_unknown boolean;
alter table linkt.signals add column metadata json;

update linkt.entities set
    external_id = case when json_type(payload -> '$.external_id') in ('VARCHAR', 'UBIGINT', 'BIGINT')
        then payload ->> '$.external_id' end,
    external_source = case when json_type(payload -> '$.external_source') in ('VARCHAR', 'UBIGINT', 'BIGINT')
        then payload ->> '$.external_source' end
where contains(payload::varchar, '"external_');
update linkt.entity_versions as version set
    external_id = case when version.content_hash = entity.content_hash then entity.external_id end,
    external_source = case when version.content_hash = entity.content_hash then entity.external_source end,
    external_unknown = nullif(version.content_hash <> entity.content_hash, false)
from linkt.entities as entity
where entity.entity_id = version.entity_id
    and coalesce(entity.external_id, entity.external_source) is not null;
update linkt.signals set metadata = nullif(payload -> '$.metadata', 'null')
where contains(payload::varchar, '"metadata"');
