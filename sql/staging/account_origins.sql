-- description: Which run found each company.
-- grain: one row per company that a landed run names; a company and its copies are one.
-- materialized: incremental
-- incremental: company_id from marts.companies
-- narrow: company_id -> marts.companies.root_entity_id
-- follows marts.companies: root_entity_id
-- tells: company_id
-- unique: company_id
-- not_null: company_id, first_run_id
-- column company_id: The company, or what stands for it and its copies.
-- column first_run_id: The run that first named it or a copy.
-- column first_task: Name to show for the task of that run.
select
    company.root_entity_id as company_id,
    arg_min(run.run_id, (run.spent_at, run.run_id)) as first_run_id,
    arg_min(run.task, (run.spent_at, run.run_id)) as first_task
from marts.companies as company
inner join staging.run_resources as named on company.entity_id = named.resource_id
inner join marts.run_history as run on named.run_id = run.run_id
where named.resource_type = 'entity' and named.action in ('created', 'updated')
group by company.root_entity_id
