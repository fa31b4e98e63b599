-- Numbers are bounded where they enter. What earlier releases let in would go on breaking sums and durations; the
-- payload keeps it.
update linkt.runs set run_time_seconds = null where not run_time_seconds between 0 and 315360000;
update linkt.runs set total_credits = null where not total_credits between 0 and 1e9;
delete from linkt.run_credits where not credits between -1e9 and 1e9;
delete from linkt.run_queue_counts where not entities between 0 and 1000000000000;
update linkt.signals set score = null where not score between -1e12 and 1e12;
