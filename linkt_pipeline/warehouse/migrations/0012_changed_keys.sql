-- Whoever builds, checks or publishes from a big table reads the rows that changed, not all of them.
create table linkt.table_contents (
    table_name varchar not null,
    epoch varchar not null,
    number bigint not null,
    row_count bigint not null,
    total hugeint not null
);
comment on table linkt.table_contents is 'What the big landed tables hold, as far as linkt.changed_keys tells it. Kept by the pipeline for itself.';
comment on column linkt.table_contents."table_name" is 'The table.';
comment on column linkt.table_contents."epoch" is 'Another one means that what changed is not known.';
comment on column linkt.table_contents."number" is 'Number of the last change within the epoch.';
comment on column linkt.table_contents."row_count" is 'Rows after it.';
comment on column linkt.table_contents."total" is 'What they come to; something else shows a change that is in no journal.';

create table linkt.changed_keys (
    table_name varchar not null,
    number bigint not null,
    column_name varchar,
    key varchar
);
comment on table linkt.changed_keys is 'Keys of the rows that changed, appeared or vanished lately, by table and change. Kept by the pipeline for itself.';
comment on column linkt.changed_keys."table_name" is 'The table.';
comment on column linkt.changed_keys."number" is 'Number of the change within the table''s epoch.';
comment on column linkt.changed_keys."column_name" is 'The column, where it is not the table''s key.';
comment on column linkt.changed_keys."key" is 'Its value.';
