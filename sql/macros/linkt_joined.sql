-- description: A JSON list or object put together from the texts of its parts; anything else as linkt_scalar spells it.
-- parameter value: The value.
-- parameter parts: The texts of its parts; null for what has none.
-- returns: VARCHAR
coalesce(
    -- Named once: each mention of an argument is planned again, and the parts hold the parts of the parts.
    case json_type(value) when 'OBJECT' then '{' when 'ARRAY' then '[' end || array_to_string(parts, ',') || '}',
    linkt_scalar(value)
)
