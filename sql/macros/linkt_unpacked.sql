-- description: A JSON value, with a text that holds a JSON list or object taken for what it holds.
-- parameter value: A JSON value, a text or a number.
-- returns: JSON
list_transform(
    [to_json(value)],
    lambda v: case
        when json_type(v) = 'VARCHAR' and regexp_matches(v ->> '$', '^\s*[\[{]') then coalesce(try_cast(v ->> '$' as json), v)
        else v
    end
)[1]
