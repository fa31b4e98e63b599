-- The outbox: who is to be told of what, and what was sent where.
create table linkt.alerts (
    event_key varchar not null,
    event varchar not null,
    task_key varchar,
    run_id varchar,
    dagster_run_id varchar,
    facts json not null,
    happened_at timestamptz not null,
    over_at timestamptz
);

create table linkt.alert_channels (
    channel varchar not null,
    since timestamptz not null,
    failures integer not null,
    next_attempt_at timestamptz,
    sent_at timestamptz,
    last_error varchar,
    lease_owner varchar,
    lease_until timestamptz
);

create table linkt.alert_deliveries (
    event_key varchar not null,
    channel varchar not null,
    attempts integer not null,
    sent_at timestamptz,
    last_error varchar
);
