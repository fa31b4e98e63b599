-- What was erased is known by its tombstone alone, and an erasure is written down before it begins. The view
-- linkt.run_costs is made anew as well: completed runs alone say what the next run will probably cost.
create table linkt.tombstones (
    kind varchar not null,
    hash varchar not null,
    erasure_id varchar not null,
    erased_at timestamptz not null
);

create table linkt.erasures (
    erasure_id varchar not null,
    kind varchar not null,
    asked_at timestamptz not null,
    phase varchar not null,
    pending json,
    removed json,
    finished_at timestamptz
);
