-- description: One label of a host name in Unicode: xn--mnchen-3ya is münchen (punycode, RFC 3492). A label that can't be decoded,
--   or is none of these, is given back as it is.
-- parameter label: A label, lower case.
-- returns: VARCHAR
list_transform(
    [label],
    lambda name: case when regexp_full_match(name, 'xn--(?:.*-)?[a-z0-9]+')
        then coalesce(list_transform(
            [list_reduce(
                -- First the state to begin with, the plain letters already in place, then one entry for each digit.
                list_prepend(
                    {
                        'digit': 0, 'code': 128, 'place': 0, 'bias': 72, 'weight': 1, 'step': 36, 'before': 0,
                        'letters': list_filter(string_split(regexp_extract(name, '^xn--(.*)-[a-z0-9]+$', 1), ''), lambda l: l <> '')
                    },
                    list_transform(
                        string_split(regexp_extract(name, '([a-z0-9]+)$', 1), ''),
                        lambda c: {
                            'digit': case when c between '0' and '9' then ascii(c) - 22 else ascii(c) - 97 end,
                            'code': 0, 'place': 0, 'bias': 0, 'weight': 0, 'step': 0, 'before': 0, 'letters': []::varchar[]
                        }
                    )
                ),
                lambda s, d: list_transform(
                    list_transform(
                        [{
                            'place': s.place + d.digit * s.weight,
                            'limit': case when s.step <= s.bias then 1 when s.step >= s.bias + 26 then 26 else s.step - s.bias end,
                            'count': len(s.letters)::integer + 1
                        }],
                        lambda n: {
                            'place': n.place,
                            'limit': n.limit,
                            'count': n.count,
                            'is_last': d.digit < n.limit,
                            'delta': case when s.before = 0 then (n.place - s.before) // 700 else (n.place - s.before) // 2 end
                        }
                    ),
                    lambda n: case
                        when s.code > 1114111 or n.place < 0 or n.place > 100000000 then s
                        when not n.is_last then {
                            'digit': 0, 'code': s.code, 'place': n.place, 'bias': s.bias, 'weight': least(s.weight * (36 - n.limit), 10000000),
                            'step': s.step + 36, 'before': s.before, 'letters': s.letters
                        }
                        else {
                            'digit': 0,
                            'code': s.code + n.place // n.count,
                            'place': n.place % n.count + 1,
                            'bias': list_transform(
                                [n.delta + n.delta // n.count],
                                lambda delta: case
                                    when delta > 455 * 35 then 72 + 36 * (delta // 35 // 35) // (delta // 35 // 35 + 38)
                                    when delta > 455 then 36 + 36 * (delta // 35) // (delta // 35 + 38)
                                    else 36 * delta // (delta + 38)
                                end
                            )[1],
                            'weight': 1,
                            'step': 36,
                            'before': n.place % n.count + 1,
                            'letters': list_concat(
                                list_append(s.letters[:n.place % n.count], chr(least(s.code + n.place // n.count, 1114111))),
                                s.letters[n.place % n.count + 1:]
                            )
                        }
                    end
                )[1]
            )],
            lambda s: case when s.weight = 1 and regexp_full_match(array_to_string(s.letters, ''), '[\pL\pN\pM·-]+')
                then lower(array_to_string(s.letters, ''))
            end
        )[1], name)
        else name
    end
)[1]
