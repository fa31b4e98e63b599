-- description: The first e-mail address in a cell, lower case: of a list, of "Ann <ann@acme.com>", of "a@x.com; b@x.com".
-- parameter value: A JSON value or a text.
-- returns: VARCHAR, or null where no complete address is in it.
nullif(regexp_extract(
    lower(linkt_text(value)),
    '(?:^|[^\pL\pN._%+*''-])([\pL\pN_+][\pL\pN._%+''-]*@(?:[\pL\pN](?:[\pL\pN-]*[\pL\pN])?\.)+\pL{2,})', 1
), '')
