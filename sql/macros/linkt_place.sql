-- description: A place: an object with city, state and country, or a text. Parts that say nothing (", , ", "N/A") are nothing.
-- parameter value: A JSON value or a text; of a list the first place counts.
-- returns: STRUCT(text VARCHAR, city VARCHAR, state VARCHAR, country VARCHAR), or null where no place is named. A text is not
--   taken apart.
list_transform(
    list_transform(
        [linkt_unpacked(value)],
        lambda v: list_transform(
            [case when json_type(v) = 'ARRAY' then v -> '$[0]' else v end],
            lambda place: case json_type(place)
                when 'OBJECT' then list_transform(
                    [list_transform(
                        json_extract_string(place, [
                            '$.city', '$.state', '$.region', '$.province', '$.country', '$.formatted', '$.name', '$.address'
                        ]),
                        lambda part: linkt_place_text(part)
                    )],
                    lambda p: {
                        'text': coalesce(nullif(concat_ws(', ', p[1], coalesce(p[2], p[3], p[4]), p[5]), ''), p[6], p[7], p[8]),
                        'city': p[1],
                        'state': coalesce(p[2], p[3], p[4]),
                        'country': p[5]
                    }
                )[1]
                when 'VARCHAR' then {
                    'text': linkt_place_text(place ->> '$'), 'city': null::varchar, 'state': null::varchar, 'country': null::varchar
                }
            end
        )[1]
    ),
    lambda p: case when p.text is not null then p end
)[1]
