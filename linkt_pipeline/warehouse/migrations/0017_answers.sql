-- Which execution answered which Dagster run. Until now a Dagster run that was executed again compared times. What it
-- bought itself can be told from the ledger.
create table linkt.answers (
    question varchar not null,
    task_key varchar not null,
    execution_id varchar not null,
    given_at timestamptz not null
);

insert into linkt.answers
select dagster_run_id, task_key, execution_id, intended_at from linkt.executions where dagster_run_id is not null;
