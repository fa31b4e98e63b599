-- description: The texts in a cell: the elements of a list, else the one text; empty ones left out. An object is what it names.
-- parameter value: A JSON value, a text or a number.
-- returns: VARCHAR[], empty where there is nothing.
list_filter(
    list_transform(
        list_transform(
            [linkt_unpacked(value)],
            lambda v: case when json_type(v) = 'ARRAY' then json_extract(v, '$[*]') else [v] end
        )[1],
        lambda item: trim(case when json_type(item) = 'OBJECT'
                then coalesce(
                    item ->> '$.name', item ->> '$.value', item ->> '$.label', item ->> '$.title', item ->> '$.email', item ->> '$.number',
                    item ->> '$.url', item ->> '$.amount', item ->> '$'
                )
            else item ->> '$'
        end)
    ),
    lambda item: item <> ''
)
