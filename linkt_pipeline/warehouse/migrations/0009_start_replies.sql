-- What the search for the run of an unclear start needs to know of the moment at which its request left.
alter table linkt.executions add column clock_offset_seconds double;
alter table linkt.executions add column start_confirmed boolean;
comment on column linkt.executions."clock_offset_seconds" is 'How far Linkt''s clock was ahead of this machine''s when the start was sent; null if unknown.';
comment on column linkt.executions."start_confirmed" is 'True if Linkt confirmed the start without naming a usable run: it is never sent again unless a person says that no run came of it.';
