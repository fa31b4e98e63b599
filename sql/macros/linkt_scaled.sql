-- description: A number with its unit. 1.234 million is a decimal, 1.234 Mrd. may be one or not.
-- parameter number: The number as written.
-- parameter unit: What to multiply it by, or null.
-- parameter word: The unit's word.
-- returns: DOUBLE, or null where it is not sure.
list_transform(
    [{'number': number, 'unit': unit, 'word': word}],
    lambda n: case
        when n.unit is null then linkt_number(n.number)
        when regexp_full_match(n.number, '[1-9]\d{0,2}[.,]\d{3}') and n.word in (
            'mio', 'mln', 'mrd', 'mld', 'md', 'mds', 'tsd', 'tausend', 'mila', 'mille', 'millionen', 'millones', 'milhoes', 'milioni',
            'miljoen', 'milliard', 'milliards', 'milliarden', 'miliardi', 'miljard'
        ) then null
        when regexp_full_match(n.number, '[1-9]\d{0,2}\.\d{3}') then try_cast(n.number as double) * n.unit
        else linkt_number(n.number) * n.unit
    end
)[1]
