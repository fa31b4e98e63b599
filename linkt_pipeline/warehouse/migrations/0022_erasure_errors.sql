-- Why an erasure could not be finished, for `linkt-pipeline status`.
alter table linkt.erasures add column last_error varchar;
