-- description: Which run found each company.
-- grain: one row per company that a landed run names; a company and its copies are one.
-- materialized: table
-- unique: company_id
-- not_null: company_id, first_run_id
-- column company_id: The company, or what stands for it and its copies.
-- column first_run_id: The run that first named it or a copy.
-- column first_task: Name to show for the task of that run.
select
    company.root_entity_id as company_id,
    arg_min(discovery.run_id, (discovery.spent_at, discovery.run_id)) as first_run_id,
    arg_min(discovery.task, (discovery.spent_at, discovery.run_id)) as first_task
from marts.entity_discovery as discovery
inner join marts.companies as company on discovery.entity_id = company.entity_id
group by company.root_entity_id
