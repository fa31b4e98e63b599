-- description: The parts of a JSON list or object, those of an object in the order of their names.
-- parameter value: The value.
-- returns: STRUCT(key VARCHAR, value JSON)[]; the key is empty in a list; null for what has no parts, and for an object that
--   names a part twice.
case json_type(value)
    when 'OBJECT' then list_sort(map_entries(try_cast(value as map(varchar, json))))
    when 'ARRAY' then list_transform(from_json(value, '["JSON"]'), lambda v: {'key': '', 'value': v})
end
