-- description: Every landed signal (a business event Linkt noticed), with its strength on one scale.
-- grain: one row per signal.
-- materialized: view
-- published: view
-- unique: signal_id
-- not_null: signal_id
-- column signal_id: Linkt's id of the signal.
-- column icp_id: ICP that owns the signal; not always the ICP of the entities it speaks of.
-- column signal_type: Type as sent: funding, hiring_surge, other and so on; may be empty.
-- column signal_label: Name to show for the type.
-- column strength: Strength as sent; Linkt uses several vocabularies.
-- column strength_level: low, medium or high; empty if the strength is empty or unknown.
-- column score: Score from 0 to 1; may be empty.
-- column summary: What happened.
-- column "references": Web addresses that back it.
-- column entity_ids: Entities it speaks of; may be empty for topic monitoring.
-- column metadata: What else Linkt's workflow knows of it, as sent; its contents are documented nowhere.
-- column detected_at: When Linkt noticed it, not when it happened.
-- column fetched_at: When this deployment landed it.
select
    signal_id,
    icp_id,
    signal_type,
    coalesce(
        linkt_trimmed(signal_display_name),
        upper(left(replace(signal_type, '_', ' '), 1)) || substr(replace(signal_type, '_', ' '), 2)
    ) as signal_label,
    strength,
    case linkt_word(strength)
        when 'low' then 'low'
        when 'weak' then 'low'
        when 'medium' then 'medium'
        when 'moderate' then 'medium'
        when 'high' then 'high'
        when 'strong' then 'high'
    end as strength_level,
    score,
    summary,
    "references",
    entity_ids,
    metadata,
    created_at as detected_at,
    fetched_at
from linkt.signals
