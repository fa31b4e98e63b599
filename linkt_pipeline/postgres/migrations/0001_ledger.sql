-- The ledger: the tables of the same names in a warehouse file say what each column means.
create table executions (
    execution_id text primary key,
    task_key text not null,
    task_id text not null,
    icp_id text,
    parameters json not null,
    attempt integer not null,
    state text not null,
    run_id text,
    run_status text,
    error_kind text,
    dagster_run_id text,
    intended_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    last_error text,
    lease_owner text,
    lease_until timestamptz,
    clock_offset_seconds double precision,
    start_confirmed boolean,
    expected_credits double precision,
    budget_rest double precision,
    over_budget_by text,
    -- Whether linkt.executions of the warehouse holds the row as it is, and the row is closed. Leases are not copied.
    mirrored boolean not null default false
);

-- Two witnesses of what the transactions decide: one open execution per task, one execution per run.
create unique index one_open_execution_per_task on executions (task_key)
where state in ('intended', 'unknown', 'started');
create unique index one_execution_per_run on executions (lower(run_id));

create index executions_of_a_linkt_task on executions (task_id, icp_id);
create index executions_of_a_task on executions (task_key, intended_at);
create index leased_executions on executions (lease_owner) where lease_owner is not null;
create index executions_to_mirror on executions (execution_id) where not mirrored;

create function mirror_again() returns trigger language plpgsql as $$
begin
    new.mirrored := false;
    return new;
end
$$;

-- Renewals, of every process every 20 seconds, change nothing that is mirrored.
create trigger mirror_again before update of
    task_key, task_id, icp_id, parameters, attempt, state, run_id, run_status, error_kind, dagster_run_id, intended_at,
    started_at, finished_at, last_error, clock_offset_seconds, start_confirmed, expected_credits, budget_rest,
    over_budget_by
on executions for each row execute function mirror_again();

create table undelivered (
    execution_id text primary key references executions,
    asked_by text,
    published_at timestamptz
);

create table answers (
    question text,
    task_key text,
    execution_id text references executions,
    given_at timestamptz not null,
    primary key (question, task_key, execution_id)
);
