-- description: A number or a range as it was said: the text, the number, or of an object its amount or its two ends.
-- parameter value: A JSON value, a text or a number.
-- returns: VARCHAR, or null where nothing was said or the object has none of the known names.
list_transform(
    [linkt_unpacked(value)],
    lambda v: case json_type(v)
        when 'OBJECT' then list_transform(
            [json_extract_string(v, [
                '$.amount', '$.count', '$.number', '$.value', '$.min', '$.low', '$.from', '$.lower', '$.minimum',
                '$.max', '$.high', '$.to', '$.upper', '$.maximum', '$.unit', '$.scale'
            ])],
            lambda p: coalesce(
                nullif(trim(coalesce(p[1], p[2], p[3], p[4])), ''),
                coalesce(p[5], p[6], p[7], p[8], p[9]) || '-' || coalesce(p[10], p[11], p[12], p[13], p[14]),
                coalesce(p[5], p[6], p[7], p[8], p[9]) || '+',
                'up to ' || coalesce(p[10], p[11], p[12], p[13], p[14])
            ) || coalesce(' ' || p[15], ' ' || p[16], '')
        )[1]
        when 'ARRAY' then nullif(array_to_string(json_extract_string(v, '$[*]'), ', '), '')
        when 'BOOLEAN' then null
        else nullif(trim(v ->> '$'), '')
    end
)[1]
