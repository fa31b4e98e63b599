-- The JSON of entities and signals takes most of the space, and of the time of landing. Linkt repeats itself so much
-- that ZSTD keeps it in a fraction of what DuckDB chooses by itself, and writes it faster. A column's compression can't
-- be altered, so the three tables are made anew; descriptions belong to a table and are given again.

create table linkt.packed_entities (
    entity_id varchar not null,
    sheet_id varchar,
    sheet_name varchar,
    icp_id varchar,
    entity_type varchar,
    parent_id varchar,
    status varchar,
    comments varchar,
    data json using compression zstd,
    duplicate_info json,
    created_at timestamptz,
    updated_at timestamptz,
    fetched_at timestamptz not null,
    content_hash varchar not null,
    payload json using compression zstd
);
insert into linkt.packed_entities from linkt.entities;
drop table linkt.entities;
alter table linkt.packed_entities rename to entities;
comment on table linkt.entities is 'Companies, people and other entities in their newest version.';
comment on column linkt.entities."entity_id" is 'Linkt id of the entity.';
comment on column linkt.entities."sheet_id" is 'Sheet that holds it.';
comment on column linkt.entities."sheet_name" is 'Name of that sheet.';
comment on column linkt.entities."icp_id" is 'ICP it belongs to.';
comment on column linkt.entities."entity_type" is 'company, person or another type.';
comment on column linkt.entities."parent_id" is 'Entity it belongs to, such as a person''s company; may not be landed.';
comment on column linkt.entities."status" is 'Label set by users: new, reviewed, passed, contacted; never interpreted.';
comment on column linkt.entities."comments" is 'Comment set by users.';
comment on column linkt.entities."data" is 'Attributes by field name, as sent.';
comment on column linkt.entities."duplicate_info" is 'Copies of the same entity in other ICPs, as sent.';
comment on column linkt.entities."created_at" is 'When Linkt created it.';
comment on column linkt.entities."updated_at" is 'When it last changed.';
comment on column linkt.entities."fetched_at" is 'When it was read.';
comment on column linkt.entities."content_hash" is 'Fingerprint of its content without timestamps.';
comment on column linkt.entities."payload" is 'The entity as the API sent it.';

create table linkt.packed_entity_versions (
    entity_id varchar not null,
    content_hash varchar not null,
    run_id varchar,
    fetched_at timestamptz not null,
    updated_at timestamptz,
    sheet_id varchar,
    icp_id varchar,
    entity_type varchar,
    parent_id varchar,
    status varchar,
    comments varchar,
    data json using compression zstd,
    duplicate_info json
);
insert into linkt.packed_entity_versions from linkt.entity_versions;
drop table linkt.entity_versions;
alter table linkt.packed_entity_versions rename to entity_versions;
comment on table linkt.entity_versions is 'Every version of an entity that was seen: one row per real change, append-only.';
comment on column linkt.entity_versions."entity_id" is 'Linkt id of the entity.';
comment on column linkt.entity_versions."content_hash" is 'Fingerprint of its content without timestamps.';
comment on column linkt.entity_versions."run_id" is 'Newest run that waited for this version when it was read; if none did, the newest that named the entity.';
comment on column linkt.entity_versions."fetched_at" is 'When it was read.';
comment on column linkt.entity_versions."updated_at" is 'When it last changed, in Linkt.';
comment on column linkt.entity_versions."sheet_id" is 'Sheet that held it.';
comment on column linkt.entity_versions."icp_id" is 'ICP it belonged to.';
comment on column linkt.entity_versions."entity_type" is 'company, person or another type.';
comment on column linkt.entity_versions."parent_id" is 'Entity it belonged to.';
comment on column linkt.entity_versions."status" is 'Label set by users.';
comment on column linkt.entity_versions."comments" is 'Comment set by users.';
comment on column linkt.entity_versions."data" is 'Attributes by field name, as sent.';
comment on column linkt.entity_versions."duplicate_info" is 'Copies of the same entity in other ICPs, as sent.';

create table linkt.packed_signals (
    signal_id varchar not null,
    icp_id varchar,
    signal_type varchar,
    signal_display_name varchar,
    strength varchar,
    score double,
    summary varchar,
    "references" varchar[],
    entity_ids varchar[],
    created_at timestamptz,
    fetched_at timestamptz not null,
    payload json using compression zstd,
    content_hash varchar
);
insert into linkt.packed_signals from linkt.signals;
drop table linkt.signals;
alter table linkt.packed_signals rename to signals;
comment on table linkt.signals is 'Business events that runs found. Immutable.';
comment on column linkt.signals."signal_id" is 'Linkt id of the signal.';
comment on column linkt.signals."icp_id" is 'ICP that owns it; may differ from the ICP of its entities.';
comment on column linkt.signals."signal_type" is 'Such as funding or hiring_surge; null or new values occur.';
comment on column linkt.signals."signal_display_name" is 'Name of the type for people, where sent.';
comment on column linkt.signals."strength" is 'As sent, in several vocabularies; normalised in marts.signal_feed.';
comment on column linkt.signals."score" is '0 to 1; null occurs.';
comment on column linkt.signals."summary" is 'What happened, in a sentence.';
comment on column linkt.signals."references" is 'URLs of the sources.';
comment on column linkt.signals."entity_ids" is 'Entities it speaks of; empty for topic monitoring.';
comment on column linkt.signals."created_at" is 'When it was detected, not when it happened.';
comment on column linkt.signals."fetched_at" is 'When it was read.';
comment on column linkt.signals."payload" is 'The signal as the API sent it.';
comment on column linkt.signals."content_hash" is 'Fingerprint of its content.';
