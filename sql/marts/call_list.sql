-- description: Whom to call this week, and why: companies where something happened lately or that Linkt has just found,
--   those with the most points first, at most 1,000 of them. The points and the length are set in seeds.scoring, who is left out in
--   seeds.account_statuses.
-- grain: one row per company that is worth a call; a company and its copies are one.
-- materialized: table
-- unique: company_id
-- unique: rank
-- not_null: company_id, rank, score, signal_points, more_signals_points, contact_points, completeness_points, new_points, reason
-- references: company_id -> marts.accounts.company_id
-- column rank: 1 for the company with the highest score, then by the newest signal.
-- column company_id: The company, or what stands for it and its copies.
-- column name: Its name.
-- column domain: Its domain.
-- column icp_names: ICPs it was found for, in alphabetical order.
-- column status: Label given in Linkt, as sent.
-- column external_id: Id of its record in a CRM or another system.
-- column external_source: System that owns this id.
-- column is_qualified: Whether it counts as qualified, see marts.accounts.
-- column score: All points together.
-- column signal_points: Points for the top signal: by its strength, in full while it is fresh, then a share of them.
-- column more_signals_points: Points for the further signals of that time.
-- column contact_points: Points for an e-mail address, a mobile number and the seniority of the best contact.
-- column completeness_points: Points for what is known of the company.
-- column new_points: Points for a company that Linkt found lately.
-- column reason: The same in words.
-- column top_signal_id: The signal with the most points, of several the newest; empty if none is recent.
-- column top_signal_label: Name to show for its type.
-- column top_signal_strength: high, medium, low or unknown; a signal of unknown strength with a score of 0.8 and more is high.
-- column top_signal_at: When Linkt noticed it, not when it happened.
-- column top_signal_summary: What happened.
-- column contact_id: Whom to talk to, see marts.accounts.
-- column contact_name: Name of that person.
-- column contact_title: Job title.
-- column contact_email: E-mail address.
-- column contact_phone: Mobile number.
with settings as (
    select
        coalesce(max(value) filter (where setting = 'signal_high'), 0) as signal_high,
        coalesce(max(value) filter (where setting = 'signal_medium'), 0) as signal_medium,
        coalesce(max(value) filter (where setting = 'signal_low'), 0) as signal_low,
        coalesce(max(value) filter (where setting = 'signal_unknown'), 0) as signal_unknown,
        coalesce(max(value) filter (where setting = 'signal_fresh_days'), 0) as signal_fresh_days,
        coalesce(max(value) filter (where setting = 'signal_older_share'), 0) as signal_older_share,
        coalesce(max(value) filter (where setting = 'signal_days'), 0) as signal_days,
        coalesce(max(value) filter (where setting = 'signal_more'), 0) as signal_more,
        coalesce(max(value) filter (where setting = 'signal_more_most'), 0) as signal_more_most,
        coalesce(max(value) filter (where setting = 'contact_email'), 0) as contact_email,
        coalesce(max(value) filter (where setting = 'contact_phone'), 0) as contact_phone,
        coalesce(max(value) filter (where setting = 'contact_senior'), 0) as contact_senior,
        coalesce(max(value) filter (where setting = 'contact_senior_from'), 0) as contact_senior_from,
        coalesce(max(value) filter (where setting = 'completeness'), 0) as completeness,
        coalesce(max(value) filter (where setting = 'new_company'), 0) as new_company,
        coalesce(max(value) filter (where setting = 'new_company_days'), 0) as new_company_days,
        coalesce(max(value) filter (where setting = 'least_score'), 0) as least_score,
        coalesce(max(value) filter (where setting = 'most_companies'), 0) as most_companies
    from seeds.scoring
),

recent as (
    select
        link.company_id,
        signal.signal_id,
        signal.signal_label,
        signal.summary,
        signal.detected_at,
        coalesce(signal.strength_level, case when signal.score >= 0.8 then 'high' end, 'unknown') as strength,
        epoch(calendar.as_of - signal.detected_at) / 86400 as days
    from staging.signal_companies as link
    cross join staging.calendar as calendar
    cross join settings
    inner join staging.signals as signal on link.signal_id = signal.signal_id
    where link.detected_at > calendar.as_of - to_seconds(settings.signal_days * 86400)
),

valued as (
    select
        recent.*,
        case recent.strength
            when 'high' then settings.signal_high
            when 'medium' then settings.signal_medium
            when 'low' then settings.signal_low
            else settings.signal_unknown
        end * case when recent.days < settings.signal_fresh_days then 1 else settings.signal_older_share end as points
    from recent
    cross join settings
),

top as (
    select
        *,
        count(*) over (partition by company_id) as signals
    from valued
    qualify row_number() over (partition by company_id order by points desc, detected_at desc, signal_id desc) = 1
),

parts as (
    select
        account.*,
        coalesce(top.points, 0) as signal_points,
        least(coalesce(top.signals - 1, 0) * settings.signal_more, settings.signal_more_most) as more_signals_points,
        case when account.contact_email is null then 0 else settings.contact_email end
        + case when account.contact_phone is null then 0 else settings.contact_phone end
        + case when account.contact_seniority >= settings.contact_senior_from then settings.contact_senior else 0 end
            as contact_points,
        account.completeness * settings.completeness as completeness_points,
        case when account.first_seen_at > calendar.as_of - to_seconds(settings.new_company_days * 86400) then settings.new_company
            else 0
        end as new_points,
        epoch(calendar.as_of - account.first_seen_at) / 86400 as days_known,
        coalesce(account.first_seen_at > calendar.as_of - to_seconds(settings.new_company_days * 86400), false) as is_new,
        top.signal_id as top_signal_id,
        top.signal_label as top_signal_label,
        top.strength as top_signal_strength,
        top.detected_at as top_signal_at,
        top.summary as top_signal_summary,
        top.days as top_signal_days,
        coalesce(top.signals - 1, 0) as more_signals,
        settings.signal_days,
        settings.least_score,
        settings.most_companies
    from marts.accounts as account
    cross join settings
    cross join staging.calendar as calendar
    left join top on account.company_id = top.company_id
    left join seeds.account_statuses as status on linkt_word(account.status) = status.status
    where coalesce(status.is_called, true)
),

scored as (
    select
        *,
        round(signal_points + more_signals_points + contact_points + completeness_points + new_points, 6) as score
    from parts
    where top_signal_id is not null or is_new
),

-- Cut before the words are put together.
ranked as (
    select
        *,
        row_number() over (order by score desc, latest_signal_at desc nulls last, company_id) as rank
    from scored
    where score >= least_score
    qualify rank <= most_companies
)

select
    rank,
    company_id,
    name,
    domain,
    icp_names,
    status,
    external_id,
    external_source,
    is_qualified,
    score,
    signal_points,
    more_signals_points,
    contact_points,
    completeness_points,
    new_points,
    concat_ws(
        '; ',
        coalesce(top_signal_label, case when top_signal_id is not null then 'Signal' end)
        || coalesce(' (' || nullif(top_signal_strength, 'unknown') || ')', '') || ' ' || case greatest(floor(top_signal_days), 0)::bigint
            when 0 then 'today' when 1 then 'yesterday' else floor(top_signal_days)::bigint || ' days ago'
        end,
        case when more_signals = 1 then '1 more signal' when more_signals > 1 then more_signals || ' more signals' end
        || ' in ' || signal_days::bigint || ' days',
        case when contact_email is not null then 'e-mail of ' when contact_phone is not null then 'number of ' end
        || coalesce(contact_name, 'a contact') || coalesce(' (' || contact_title || ')', ''),
        case when is_new then 'found ' || case greatest(floor(days_known), 0)::bigint
            when 0 then 'today' when 1 then 'yesterday' else floor(days_known)::bigint || ' days ago'
        end end
    ) as reason,
    top_signal_id,
    top_signal_label,
    top_signal_strength,
    top_signal_at,
    top_signal_summary,
    contact_id,
    contact_name,
    contact_title,
    contact_email,
    contact_phone
from ranked
