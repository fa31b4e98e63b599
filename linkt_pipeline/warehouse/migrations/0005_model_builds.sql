-- What each SQL model was last built from. Earlier releases made the table with the first build.

create table if not exists linkt.model_builds (
    model varchar,
    code_version varchar,
    built_at timestamptz,
    cursor varchar,
    rows bigint
);
alter table linkt.model_builds add column if not exists contents varchar;
alter table linkt.model_builds add column if not exists problem varchar;
alter table linkt.model_builds add column if not exists problem_since timestamptz;
