-- A ledger that is not in use, because its warehouse was moved away or is still to come: one row. No row: it is in use.
create table elsewhere (
    one boolean primary key default true check (one),
    -- incoming, proven (from a file), leaving, left (for a file)
    state text not null,
    move_id text not null,
    host text not null,
    file text not null,
    since timestamptz not null default clock_timestamp()
);

-- Whoever waited for the tables until a move had them: only the move itself writes such a ledger.
create function refuse_elsewhere() returns trigger language plpgsql set search_path from current as $$
begin
    if exists (
        select from elsewhere where move_id is distinct from nullif(current_setting('linkt.move_id', true), '')
    ) then
        raise exception 'the warehouse was moved away, or is being moved'
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    return null;
end
$$;

create trigger refuse_elsewhere before insert or update or delete on executions
for each statement execute function refuse_elsewhere();
create trigger refuse_elsewhere before insert or update or delete on undelivered
for each statement execute function refuse_elsewhere();
create trigger refuse_elsewhere before insert or update or delete on answers
for each statement execute function refuse_elsewhere();
