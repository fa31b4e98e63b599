-- description: Signals by company: what happened at whom, also where the signal names a copy of the company or one of its
--   people.
-- grain: one row per company and signal; a company and its copies are one.
-- materialized: view
-- published: view
-- rows: select sum(signal_count) from marts.companies where entity_id = root_entity_id
-- unique: company_id, signal_id
-- not_null: company_id, signal_id
-- column company_id: The company, or what stands for it and its copies (root_entity_id in marts.companies).
-- column company_name: Its name.
-- column company_domain: Its domain.
-- column company_industry: Its industry.
-- column company_country: Country of its headquarters.
-- column company_is_duplicate: True if Linkt calls the company a copy; it stands for its original, which is not landed.
-- column company_icp_id: ICP the company was found for.
-- column signal_id: The signal.
-- column signal_icp_id: ICP that owns the signal; need not be the company's.
-- column signal_type: Type as sent; may be empty.
-- column signal_label: Name to show for the type.
-- column strength_level: low, medium or high; empty if unknown.
-- column score: Score from 0 to 1; may be empty.
-- column summary: What happened.
-- column detected_at: When Linkt noticed it, not when it happened.
-- column "references": Web addresses that back it.
-- column metadata: What else Linkt's workflow knows of it, as JSON; its contents are documented nowhere.
select
    company.entity_id as company_id,
    company.name as company_name,
    company.domain as company_domain,
    company.industry as company_industry,
    company.country as company_country,
    company.is_duplicate as company_is_duplicate,
    company.icp_id as company_icp_id,
    signal.signal_id,
    signal.icp_id as signal_icp_id,
    signal.signal_type,
    signal.signal_label,
    signal.strength_level,
    signal.score,
    signal.summary,
    signal.detected_at,
    signal."references",
    signal.metadata
from staging.signal_companies as link
inner join marts.companies as company on link.company_id = company.entity_id
inner join staging.signals as signal on link.signal_id = signal.signal_id
