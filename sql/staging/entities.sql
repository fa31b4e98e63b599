-- description: Every landed entity that Linkt still has in its newest version, as Linkt sent it, with its role among
--   duplicates. Those deleted in Linkt are in linkt.entities alone, with deleted_at.
-- grain: one row per entity.
-- materialized: view
-- published: view
-- unique: entity_id
-- not_null: entity_id
-- references: icp_id -> staging.icps.icp_id
-- references: sheet_id -> staging.sheets.sheet_id
-- column entity_id: Linkt's id of the entity.
-- column entity_type: company, person or another type of Linkt's, in lower case.
-- column sheet_id: Sheet it is kept in.
-- column sheet_name: Name of that sheet.
-- column icp_id: ICP it was found for.
-- column parent_id: Entity it belongs to: a person's company. May lead nowhere (deleted, or not landed).
-- column status: Label given in Linkt (new, reviewed, passed, contacted), as sent. "passed" has two opposite meanings
--   among Linkt's users, so nothing here interprets it.
-- column comments: Comments made in Linkt.
-- column external_id: Its id in another system, such as a Salesforce account id; empty if Linkt knows none.
-- column external_source: System that owns this id, such as salesforce, in lower case.
-- column data: All fields as sent: name, then value, display, references and times. Of an entity
--   larger than 1 MB the usual ones alone.
-- column duplicate_info: What Linkt says of duplicates across ICPs, as sent.
-- column is_duplicate: True if Linkt calls it a copy of another entity.
-- column primary_entity_id: The entity it is a copy of.
-- column created_at: When Linkt made it.
-- column updated_at: When Linkt last changed it.
-- column fetched_at: When this deployment landed this version.
select
    entity_id,
    linkt_word(entity_type) as entity_type,
    sheet_id,
    sheet_name,
    icp_id,
    parent_id,
    status,
    comments,
    linkt_trimmed(external_id) as external_id,
    linkt_word(external_source) as external_source,
    linkt_fields(data) as data,
    duplicate_info,
    coalesce(try_cast(duplicate_info ->> '$.is_duplicate' as boolean), false) as is_duplicate,
    duplicate_info ->> '$.primary_entity_id' as primary_entity_id,
    created_at,
    updated_at,
    fetched_at
from linkt.entities
where deleted_at is null
