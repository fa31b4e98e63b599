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

comment on table linkt.task_entries is 'The entries of tasks.yaml, as they were at the last sync.';
comment on column linkt.task_entries."task_key" is 'Name of the entry.';
comment on column linkt.task_entries."task_id" is 'Linkt''s id of the task that it executes.';
comment on column linkt.task_entries."timezone" is 'Zone of its schedule, its days and its months.';
comment on column linkt.task_entries."monthly_credit_limit" is 'Credits a month beyond which no run is started; null if there is no limit.';
comment on table linkt.settings is 'Settings of the whole deployment, as they were at the last sync.';
comment on column linkt.settings."name" is 'Name of the setting: timezone.';
comment on column linkt.settings."value" is 'Its value.';
