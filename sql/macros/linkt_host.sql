-- description: As linkt_domain, which calls it for addresses that are not of the plain form.
-- parameter address: A web address as sent.
-- returns: VARCHAR, or null
list_transform(
    list_transform(
        -- Of [label](address) the address counts if there is one, else the label.
        [regexp_extract(
            regexp_replace(trim(address), '^\[[^\]]*\]\((.*\..*)$', '\1'),
            '^["''<(\[ ]*((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)?(.*)$', ['scheme', 'rest']
        )],
        lambda a: case
            when a.rest = '' then null
            when a.scheme not in ('', '//') and not regexp_matches(a.scheme, '^(?i)(?:https?|wss?|ftps?)://$') then null
            else list_transform(
                [rtrim(lower(regexp_extract(a.rest, '^(?:[^/@\s?#]*:[^/@\s?#]*@|[^/@\s?#]*@)?([^/:?#%,;|"''<>()\[\]\s\\@]+)', 1)), '.')],
                lambda host: case
                    -- ann@acme.com is an e-mail address; https://user@acme.com is a web address.
                    when a.scheme = '' and regexp_matches(a.rest, '^[^/?#\s]*@') then null
                    when a.scheme = '' and regexp_matches(a.rest, '^(?i)(?:mailto|tel|javascript|data|callto|skype):') then null
                    else regexp_replace(host, '^www\.(.+\..+)$', '\1')
                end
            )[1]
        end
    ),
    lambda host: case
        when host is null or not regexp_full_match(host, '(?:[a-z0-9_\x{80}-\x{10ffff}](?:[a-z0-9_\x{80}-\x{10ffff}-]*[a-z0-9\x{80}-\x{10ffff}])?\.)+(?:[a-z\x{80}-\x{10ffff}][a-z\x{80}-\x{10ffff}]+|xn--[a-z0-9-]+)')
            then null
        when contains(host, 'xn--')
            then nfc_normalize(array_to_string(list_transform(string_split(host, '.'), lambda label: linkt_unicode_label(label)), '.'))
        when strlen(host) > length(host) then nfc_normalize(host)
        else host
    end
)[1]
