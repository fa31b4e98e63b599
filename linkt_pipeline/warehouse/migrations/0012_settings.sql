-- What tasks.yaml says and the SQL models need: limits, and whose days and months are counted.
create table linkt.task_entries (
    task_key varchar not null,
    task_id varchar not null,
    timezone varchar not null,
    monthly_credit_limit double
);

create table linkt.settings (
    name varchar not null,
    value varchar
);
