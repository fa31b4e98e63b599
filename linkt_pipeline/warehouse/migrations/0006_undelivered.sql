-- An outcome that was paid for is kept here until whoever asked for it has all of it. The lease of a finished row said so
-- before, for as long as a process lived.
create table linkt.undelivered (
    execution_id varchar not null,
    asked_by varchar,
    published_at timestamptz
);

insert into linkt.undelivered
select execution_id, lease_owner, finished_at from linkt.executions
where state = 'finished' and lease_owner is not null;
update linkt.executions set lease_owner = null where state = 'finished' and lease_owner is not null;

-- Earlier releases could write one run id into two rows. The row whose request the run carries keeps it, else the first;
-- the others never had a run of their own.
create temp table taken as
select execution_id, run_id, keeper
from (
    select execution_id, run_id, first_value(execution_id) over ranked as keeper
    from linkt.executions as execution left join linkt.runs as runs using (run_id)
    where run_id is not null
    window ranked as (
        partition by run_id
        order by
            coalesce(coalesce(runs.input -> '$.parameters', runs.input) = execution.parameters, false) desc,
            execution.started_at nulls last, execution.intended_at, execution_id
    )
)
where keeper <> execution_id;
update linkt.executions as execution set
    state = 'lost',
    run_id = null,
    run_status = null,
    error_kind = null,
    finished_at = coalesce(finished_at, now()),
    last_error = 'run ' || taken.run_id || ' belongs to execution ' || taken.keeper || '; no run was found for this one'
from taken
where taken.execution_id = execution.execution_id;
delete from linkt.undelivered where execution_id in (select execution_id from taken);
drop table taken;
