-- description: The value of a field as Linkt sends it: of an object with value, display, references or times the value, of
--   anything else the thing itself, because fields come unwrapped too.
-- parameter field: The field as JSON.
-- returns: JSON; null where the object holds no value.
case
    when json_type(field) is distinct from 'OBJECT' then field
    when (field -> '$.value') is not null or (field -> '$.display') is not null then field -> '$.value'
    -- References alone are no value; beside keys of its own the object is one.
    when (field -> '$.references') is not null
        and list_has_all(['references', 'display', 'value', 'created_at', 'updated_at'], json_keys(field)) then null
    else field
end
