-- What the search for the run of an unclear start needs to know of the moment at which its request left.
alter table linkt.executions add column clock_offset_seconds double;
alter table linkt.executions add column start_confirmed boolean;
