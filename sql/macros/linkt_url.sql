-- description: The first web address in a cell, as sent: the text, the first of a list, or the url of an object.
-- parameter value: A JSON value or a text.
-- returns: VARCHAR, or null
list_transform(
    [linkt_unpacked(value)],
    lambda v: nullif(trim(coalesce(v ->> '$.url', v ->> '$[0].url', v ->> '$[0]', case when json_type(v) <> 'ARRAY' then v ->> '$' end)), '')
)[1]
