-- What each SQL model was last built from. Earlier releases made the table with the first build, without a description.

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
comment on table linkt.model_builds is 'Last build of each SQL model: what it was made of, and what keeps it from being built now.';
comment on column linkt.model_builds."model" is 'Table or view, schema.name; of a file that names none, the file.';
comment on column linkt.model_builds."code_version" is 'Fingerprint of the SQL it was built with, that of its ancestors included; null before the first build.';
comment on column linkt.model_builds."built_at" is 'When it was last built; a build that found nothing to do is not counted.';
comment on column linkt.model_builds."cursor" is 'Fingerprint of the rows it was built from; null where it is built every time, and in the published copy of a table whose types were converted.';
comment on column linkt.model_builds."rows" is 'Rows after that build.';
comment on column linkt.model_builds."contents" is 'Mark of the rows, another one after each build that wrote some; null for a view.';
comment on column linkt.model_builds."problem" is 'Why it can''t be built now; null when all is well. Its rows are those of built_at.';
comment on column linkt.model_builds."problem_since" is 'When the problem was first seen.';
