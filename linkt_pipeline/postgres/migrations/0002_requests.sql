-- The request budget of all hosts: a process takes some places for requests at a time, and gives back what it left.
create table request_shares (
    share_id bigint generated always as identity primary key,
    taken_by text not null,
    places integer not null,
    -- Null while the process may still use its places; all of them count then, also if the process is dead.
    used integer,
    -- The UTC day that its requests belong to.
    day date not null,
    -- Its requests count towards the window until then.
    counts_until timestamptz not null
);

create table request_days (
    day date primary key,
    -- Requests that were made or may be made still.
    used bigint not null
);
