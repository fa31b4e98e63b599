-- The JSON of entities and signals takes most of the space, and of the time of landing. Linkt repeats itself so much
-- that ZSTD keeps it in a fraction of what DuckDB chooses by itself, and writes it faster. A column's compression can't
-- be altered, so the three tables are created again.

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
