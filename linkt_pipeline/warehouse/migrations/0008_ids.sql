-- Ids of hexadecimal digits are written in lower case, as Linkt does: tasks.yaml could spell them in another way.
update linkt.executions set task_id = lower(task_id), icp_id = lower(icp_id)
where task_id <> lower(task_id) or icp_id <> lower(icp_id);

-- Of each task, only the outcome of the latest run is owed.
delete from linkt.undelivered where execution_id in (
    select execution_id
    from linkt.executions
    where state = 'finished'
    qualify row_number() over (partition by task_key order by intended_at desc) > 1
);
