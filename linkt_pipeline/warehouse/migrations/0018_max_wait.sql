-- How long a run of each entry may take, for the check open_no_longer_than_max_wait; the next sync fills it.
alter table linkt.task_entries add column max_wait_seconds double;
