-- description: A JSON value that is no list and no object, spelt in one way: 1.0 and 1e0 as 1.
-- parameter value: The value.
-- returns: VARCHAR
case
    when json_type(value) = 'DOUBLE' and abs(value::varchar::double) < 1e15 and value::varchar::double = floor(value::varchar::double)
        then value::varchar::double::bigint::varchar
    when json_type(value) = 'DOUBLE' then value::varchar::double::varchar
    else coalesce(value::varchar, 'null')
end
