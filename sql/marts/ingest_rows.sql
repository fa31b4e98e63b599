-- description: What became of each row of the files that were ingested: the entity it led to, why it was discarded, or nothing.
--   Linkt does not say which entity belongs to which row. A row is matched to the entities that its run names: by the name in
--   the primary column, else by a web address in any column.
-- grain: one row per ingest and row of its file.
-- materialized: table
-- unique: ingest_id, row_number
-- not_null: ingest_id, row_number, file_name, task_key, outcome
-- column ingest_id: The ingest; a file that was bought again has several.
-- column row_number: Place of the row below the header, from 1.
-- column file_name: Name of the file.
-- column file_sha256: SHA-256 of its bytes; of a workbook, of its rows.
-- column task_key: Entry of tasks.yaml that ingested it.
-- column primary_column: Column by which Linkt distinguishes the rows.
-- column primary_value: The row's value in it.
-- column outcome: entity (found or updated), discarded (by Linkt, see reason), unmatched (Linkt completed it, and no entity of
--   the run has its name or address), nothing (the run has ended and says nothing of it), open (the run has not ended).
-- column entity_id: The entity that the row led to.
-- column entity_name: Its name as it is now.
-- column action: created or updated by this run.
-- column matched_by: name or domain; how the entity was recognised.
-- column reason: Why Linkt discarded it, in Linkt's words; empty where it gave none.
-- column run_id: The run that researched it; empty before there is one.
-- column run_status: Status of that run, as sent.
-- column ingested_at: When the ingest was written down.
-- column data: All values of the row by column name.
with files as (
    select
        ingest.ingest_id,
        ingest.file_name,
        ingest.file_sha256,
        ingest.task_key,
        ingest.primary_column,
        ingest.intended_at as ingested_at,
        run.run_id,
        run.status as run_status,
        execution.run_id as started_run_id
    from linkt.ingests as ingest
    left join linkt.executions as execution on ingest.execution_id = execution.execution_id
    left join linkt.runs as run on execution.run_id = run.run_id
),

file_rows as (
    select
        ingest_id,
        row_number,
        primary_value,
        data,
        linkt_word(nfc_normalize(primary_value)) as name_key
    from linkt.ingest_rows
),

named as (
    select
        resource.run_id,
        resource.resource_id as entity_id,
        min(resource.action) as action
    from staging.run_resources as resource
    semi join files on resource.run_id = files.run_id
    where resource.resource_type = 'entity'
    group by resource.run_id, resource.resource_id
),

entities as (
    select
        named.run_id,
        named.entity_id,
        named.action,
        coalesce(company.name, person.name) as entity_name,
        linkt_word(nfc_normalize(coalesce(company.name, person.name))) as name_key,
        company.domain
    from named
    left join marts.companies as company on named.entity_id = company.entity_id
    left join marts.people as person on named.entity_id = person.entity_id
),

by_name as (
    select
        file_rows.ingest_id,
        file_rows.row_number,
        min_by(entity, entity.action || entity.entity_id) as entity
    from file_rows
    inner join files on file_rows.ingest_id = files.ingest_id
    inner join entities as entity on files.run_id = entity.run_id and file_rows.name_key = entity.name_key
    group by file_rows.ingest_id, file_rows.row_number
),

addresses as (
    select distinct
        ingest_id,
        row_number,
        linkt_domain(address) as domain
    from (
        select
            ingest_id,
            row_number,
            unnest(json_extract_string(data, '$.*')) as address
        from file_rows
    )
    where contains(address, '.')
),

by_domain as (
    select
        addresses.ingest_id,
        addresses.row_number,
        min_by(entity, entity.action || entity.entity_id) as entity
    from addresses
    inner join files on addresses.ingest_id = files.ingest_id
    inner join entities as entity on files.run_id = entity.run_id and addresses.domain = entity.domain
    group by addresses.ingest_id, addresses.row_number
),

candidates as (
    select
        run_id,
        linkt_word(nfc_normalize(name)) as name_key,
        bool_or(state = 'discarded') as is_discarded,
        bool_or(state = 'completed') as is_completed,
        min_by(reason, position) filter (state = 'discarded') as reason
    from linkt.run_candidates
    group by run_id, linkt_word(nfc_normalize(name))
)

select
    row.ingest_id,
    row.row_number,
    files.file_name,
    files.file_sha256,
    files.task_key,
    files.primary_column,
    row.primary_value,
    case
        when by_name.entity is not null or by_domain.entity is not null then 'entity'
        when files.run_id is null then 'open'
        when candidate.is_completed then 'unmatched'
        when candidate.is_discarded then 'discarded'
        else 'nothing'
    end as outcome,
    coalesce(by_name.entity.entity_id, by_domain.entity.entity_id) as entity_id,
    coalesce(by_name.entity.entity_name, by_domain.entity.entity_name) as entity_name,
    coalesce(by_name.entity.action, by_domain.entity.action) as action,
    case
        when by_name.entity is not null then 'name'
        when by_domain.entity is not null then 'domain'
    end as matched_by,
    case when outcome = 'discarded' then candidate.reason end as reason,
    files.started_run_id as run_id,
    files.run_status,
    files.ingested_at,
    row.data
from file_rows as row
inner join files on row.ingest_id = files.ingest_id
left join by_name on row.ingest_id = by_name.ingest_id and row.row_number = by_name.row_number
left join by_domain on row.ingest_id = by_domain.ingest_id and row.row_number = by_domain.row_number
left join candidates as candidate on files.run_id = candidate.run_id and row.name_key = candidate.name_key
