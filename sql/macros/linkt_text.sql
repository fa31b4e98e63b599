-- description: Any value as readable text: a list as "Software, Fintech", also one that was sent as text.
-- parameter value: A JSON value, a text or a number.
-- returns: VARCHAR, or null where there is nothing.
nullif(array_to_string(linkt_items(value), ', '), '')
