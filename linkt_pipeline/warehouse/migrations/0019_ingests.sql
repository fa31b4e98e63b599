-- Files that were ingested, their rows, and what became of them.
create table linkt.ingests (
    ingest_id varchar not null,
    task_key varchar not null,
    task_id varchar not null,
    file_name varchar not null,
    file_sha256 varchar not null,
    file_bytes bigint not null,
    file_rows bigint not null,
    primary_column varchar not null,
    state varchar not null,
    upload_name varchar,
    file_id varchar,
    task_before json,
    task_config json,
    execution_id varchar,
    intended_at timestamptz not null,
    uploaded_at timestamptz,
    configured_at timestamptz,
    finished_at timestamptz,
    last_error varchar,
    lease_owner varchar,
    lease_until timestamptz
);
create table linkt.ingest_rows (
    ingest_id varchar not null,
    row_number bigint not null,
    primary_value varchar not null,
    data json using compression zstd
);
create table linkt.run_candidates (
    run_id varchar not null,
    position bigint not null,
    name varchar,
    state varchar,
    reason varchar,
    observed_at timestamptz not null
);
