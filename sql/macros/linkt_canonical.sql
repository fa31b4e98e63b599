-- description: A JSON value spelt in one way, whatever the order of the keys of its objects and the form of its numbers, so
--   that equal values are equal texts. Below the fourth level lists and objects stay as they were sent.
-- parameter value: The value.
-- returns: VARCHAR; 'null' for no value.
linkt_joined(value, list_transform(linkt_parts(value), lambda a: to_json(a.key)::varchar || linkt_joined(
    a.value, list_transform(linkt_parts(a.value), lambda b: to_json(b.key)::varchar || linkt_joined(
        b.value, list_transform(linkt_parts(b.value), lambda c: to_json(c.key)::varchar || linkt_joined(
            c.value, list_transform(linkt_parts(c.value), lambda d: to_json(d.key)::varchar || linkt_scalar(d.value))
        ))
    ))
)))
