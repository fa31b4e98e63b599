-- The warehouse contract: what the API delivered, the ledger of what was bought, and the books kept about both.
-- No keys and no indexes: rows are made unique by merging and by checks, so that an engine without them can serve too.
create schema if not exists linkt;

create table linkt.schema_migrations (
    version integer not null,
    name varchar not null,
    applied_at timestamptz not null
);

create table linkt.executions (
    execution_id varchar not null,
    task_key varchar not null,
    task_id varchar not null,
    icp_id varchar,
    parameters json,
    attempt integer not null,
    state varchar not null,
    run_id varchar,
    run_status varchar,
    error_kind varchar,
    dagster_run_id varchar,
    intended_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    last_error varchar,
    lease_owner varchar,
    lease_until timestamptz
);

create table linkt.runs (
    run_id varchar not null,
    task_id varchar,
    icp_id varchar,
    task_type varchar,
    flow_run_id varchar,
    status varchar,
    input json,
    output_version varchar,
    total_credits double,
    run_time_seconds double,
    error varchar,
    error_kind varchar,
    created_at timestamptz,
    updated_at timestamptz,
    fetched_at timestamptz not null,
    payload json
);

create table linkt.run_credits (
    run_id varchar not null,
    action_type varchar not null,
    credits double
);

create table linkt.run_resources (
    run_id varchar not null,
    resource_type varchar not null,
    action varchar not null,
    resource_id varchar not null,
    position integer,
    state varchar not null,
    landed_at timestamptz,
    last_error varchar,
    named_at timestamptz
);

create table linkt.entities (
    entity_id varchar not null,
    sheet_id varchar,
    sheet_name varchar,
    icp_id varchar,
    entity_type varchar,
    parent_id varchar,
    status varchar,
    comments varchar,
    data json,
    duplicate_info json,
    created_at timestamptz,
    updated_at timestamptz,
    fetched_at timestamptz not null,
    content_hash varchar not null,
    payload json
);

create table linkt.entity_versions (
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
    data json,
    duplicate_info json
);

create table linkt.signals (
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
    payload json,
    content_hash varchar
);

create table linkt.rejects (
    resource_type varchar not null,
    resource_id varchar not null,
    run_id varchar,
    reason varchar not null,
    payload varchar,
    received_at timestamptz not null
);

create table linkt.tasks (
    task_id varchar not null,
    name varchar,
    description varchar,
    flow_name varchar,
    deployment_name varchar,
    icp_id varchar,
    prompt varchar,
    task_config json,
    created_at timestamptz,
    updated_at timestamptz,
    fetched_at timestamptz not null,
    payload json
);

create table linkt.icps (
    icp_id varchar not null,
    name varchar,
    description varchar,
    mode varchar,
    entity_targets json,
    created_at timestamptz,
    updated_at timestamptz,
    fetched_at timestamptz not null,
    payload json
);

create table linkt.sheets (
    sheet_id varchar not null,
    name varchar,
    description varchar,
    icp_id varchar,
    entity_type varchar,
    entity_schema json,
    created_at timestamptz,
    updated_at timestamptz,
    fetched_at timestamptz not null,
    payload json
);

create table linkt.run_queue_counts (
    run_id varchar not null,
    state varchar not null,
    entities bigint,
    observed_at timestamptz not null
);

create table linkt.api_usage (
    day date not null,
    endpoint varchar not null,
    requests bigint not null,
    errors bigint not null
);

create table linkt.sync_state (
    name varchar not null,
    value varchar,
    updated_at timestamptz not null
);
