-- description: Sheets: the lists of one entity type that Linkt keeps for an ICP.
-- grain: one row per sheet.
-- materialized: view
-- unique: sheet_id
-- not_null: sheet_id
-- column sheet_id: Linkt's id of the sheet.
-- column name: Name given in Linkt.
-- column description: Description given in Linkt.
-- column icp_id: ICP the sheet belongs to.
-- column entity_type: Type of the entities in it.
-- column entity_schema: JSON Schema of its fields, custom ones included.
-- column created_at: When Linkt made it.
-- column updated_at: When Linkt last changed it.
-- column fetched_at: When this deployment last saw a change of it.
select
    sheet_id,
    name,
    description,
    icp_id,
    entity_type,
    entity_schema,
    created_at,
    updated_at,
    fetched_at
from linkt.sheets
