-- description: The one currency that several words agree on: "$" and "CAD" are Canadian dollars, "$" and "EUR" are a contradiction.
-- parameter words: Signs, codes and names, lower case.
-- returns: VARCHAR, the ISO code; empty where none is named or it is one of several countries, null where they contradict
--   each other or a word is no currency.
list_transform(
    list_transform(
        [words],
        lambda said: {
            'codes': list_distinct(list_transform(said, lambda w: coalesce(linkt_currency(w), '?'))),
            'dollar': list_contains(said, '$'),
            'yen': list_contains(said, '¥')
        }
    ),
    lambda s: case
        when len(s.codes) = 0 then ''
        when list_contains(s.codes, '?') then null
        when len(s.codes) = 1 then s.codes[1]
        when len(s.codes) = 2 and s.dollar
            and list_has_any(s.codes, ['CAD', 'AUD', 'NZD', 'HKD', 'SGD', 'TWD', 'MXN', 'CLP', 'COP', 'ARS', 'BRL'])
            then list_filter(s.codes, lambda c: c <> 'USD')[1]
        when len(s.codes) = 2 and s.yen and list_contains(s.codes, 'CNY') then 'CNY'
        when len(s.codes) = 2 and list_contains(s.codes, '')
            and list_has_any(s.codes, ['SEK', 'NOK', 'DKK', 'ISK', 'CZK', 'MXN', 'CLP', 'COP', 'ARS', 'PHP', 'UYU'])
            then list_filter(s.codes, lambda c: c <> '')[1]
    end
)[1]
