-- Linkt spells one state in several ways ("CANCELLED", "canceled"). Landing writes the state a word means beside the word;
-- this fills the rows landed before, by the rule of linkt_pipeline/api/status.py as it was then.
alter table linkt.runs add column status_normalised varchar;
update linkt.runs set status_normalised = case upper(trim(status))
    when 'CANCELLED' then 'CANCELED'
    when 'CANCELLING' then 'RUNNING'
    when 'CANCELING' then 'RUNNING'
    else upper(trim(status))
end;
update linkt.runs set status_normalised = null where status_normalised not in
    ('SCHEDULED', 'PENDING', 'RUNNING', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELED', 'CRASHED');
