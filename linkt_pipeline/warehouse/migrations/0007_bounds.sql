-- Numbers are bounded where they enter. What earlier releases let in would go on breaking sums and durations; the
-- payload keeps it.
update linkt.runs set run_time_seconds = null where not run_time_seconds between 0 and 315360000;
update linkt.runs set total_credits = null where not total_credits between 0 and 1e9;
delete from linkt.run_credits where not credits between -1e9 and 1e9;
delete from linkt.run_queue_counts where not entities between 0 and 1000000000000;
update linkt.signals set score = null where not score between -1e12 and 1e12;

comment on column linkt.rejects."resource_type" is 'entity, signal, run, task, icp or sheet.';
comment on column linkt.rejects."resource_id" is 'The id that was asked for or listed; unreadable-... where a row of a list shows none.';
comment on column linkt.rejects."run_id" is 'Newest run that names it; a rejected run itself.';
comment on column linkt.rejects."payload" is 'The body as it arrived; of one that is too large, its first kilobytes.';
