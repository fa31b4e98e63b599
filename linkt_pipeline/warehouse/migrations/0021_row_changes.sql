-- Which rows builds and landings have changed, so that the next build computes these alone.
create table linkt.row_changes (
    source varchar not null,
    number bigint not null,
    before varchar not null,
    after varchar not null,
    names varchar[] not null,
    ids varchar[] not null
);

create table linkt.seen_rows (
    source varchar not null,
    id varchar not null,
    fetched_at timestamptz,
    deleted_at timestamptz,
    digest varchar
);
