-- What is deleted in Linkt is kept here, and says so.
alter table linkt.entities add column deleted_at timestamptz;

comment on table linkt.entities is 'Companies, people and other entities in their newest version, also those that Linkt has deleted since.';
comment on column linkt.entities."deleted_at" is 'When Linkt first answered that it does not know it any more (404); null while it is there. Not in staging and marts then.';
comment on column linkt.entity_versions."run_id" is 'Newest run that named it when this version was read; null where a refresh read it, which is for no run.';
