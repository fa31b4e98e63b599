-- What is deleted in Linkt is kept here, and says so.
alter table linkt.entities add column deleted_at timestamptz;
