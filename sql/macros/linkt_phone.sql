-- description: The first telephone number in a cell, as written: of a list, of "+1 555 0100, +1 555 0101".
-- parameter value: A JSON value, a text or a number.
-- returns: VARCHAR, or null where nothing has 6 to 15 digits.
list_filter(
    list_transform(
        string_split_regex(array_to_string(linkt_items(value), ';'), '[;|,\n]|\s/\s|\s(?:or|and)\s|\s{2,}'),
        lambda part: regexp_extract(part, '(\+?\(?\d[\d\s()./-]*\d)(?:\s*(?i:x|ext\.?|extension)\s*\d{1,6})?', 0)
    ),
    lambda phone: length(regexp_replace(regexp_replace(phone, '(?i:x|ext).*$', ''), '\D', '', 'g')) between 6 and 15
)[1]
