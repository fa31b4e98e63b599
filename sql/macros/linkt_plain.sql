-- description: Text made easy to match: lower case, no accents, one kind of dash, blank, digit and comparison sign.
-- parameter text: Any text.
-- returns: VARCHAR
list_transform(
    [text],
    lambda t:
    case
        when strlen(t) = length(t) then trim(regexp_replace(lower(t), '\s+', ' ', 'g'))
        else trim(regexp_replace(
            translate(
                strip_accents(lower(t)),
                '–—−‐‑‒―－～〜０１２３４５６７８９，．：（）＋＜＞＄￥￡≥≧≤≦≈’‘´`约約',
                '--------~~0123456789,.:()+<>$¥£>><<≈''''''''≈≈'
            ),
            '[\s\x{00a0}\x{2009}\x{202f}\x{3000}]+', ' ', 'g'
        ))
    end
)[1]
