-- description: The host of a web address in one spelling: lower case, without "www.", port or trailing dot, and in Unicode (an xn--
--   name is decoded). Reads bare hosts, //host, markdown links and addresses with a comma or a %2f behind them. E-mail
--   addresses, IP addresses, other schemes (mailto:, tel:) and what has no top-level domain (n.a., "Acme Inc.") have none.
-- parameter address: A web address as sent.
-- returns: VARCHAR, or null
list_transform(
    -- Nine of ten addresses are of this plain form, and take a third of the time.
    list_transform(
        [address],
        lambda a: {
            'address': a,
            'plain': regexp_extract(a, '^https?://(?:www\.)?((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z]+)(?:[/?#]|$)', 1)
        }
    ),
    lambda a: case
        when a.plain <> '' and not contains(a.plain, 'xn--') then a.plain
        else linkt_host(a.address)
    end
)[1]
