-- description: A text about money with the words for revenue gone and currencies that are written in two words, or right behind a
--   unit, standing alone.
-- parameter text: Text as sent.
-- returns: VARCHAR
list_transform(
    [linkt_plain(text)],
    lambda t: case when regexp_full_match(t, '\$ ?\d+(\.\d+)?[kmb]?( ?- ?\$ ?\d+(\.\d+)?[kmb]?)?') then t
        else list_transform(
            [regexp_replace(
                regexp_replace(
                    t,
                    '^(?:19|20)\d\d (annual )?(?:revenues?|sales|turnover|arr)\b ?:?|\b(?:in )?(?:(?:total|annual|yearly|estimated|net) )*(?:revenues?|sales|'
                    || 'turnover|arr|umsatz|chiffre d''affaires)\b ?:?|\b(?:per|a) (?:year|annum)\b|\bannually\b|\bp\.a\.|/ ?(?:year|yr)\b', ' ', 'g'
                ),
                '(\d ?)(k|m|mm|mn|mio|mln|mrd|md|b|bn|万|萬|百万|千万|亿|億|兆|만|억|조)(\.?)(usd|eur|gbp|chf|cad|aud|jpy|sek|nok|dkk|inr|hkd|sgd|'
                || '(?:us|ca?|au?|hk|nz|sg?)?\$|[€£¥₹₩₽]|美元|欧元|日元|港元|港币|人民币|元|円|원)', '\1\2\3 \4', 'g'
            )],
            lambda s: case when regexp_matches(s, 'dollar|franc|sterling|kron|\bmil\b')
                    then regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
                        s, '\b(?:us|u\.s\.|american) dollars?\b', 'usd', 'g'), '\bcanadian dollars?\b', 'cad', 'g'),
                        '\baustralian dollars?\b', 'aud', 'g'), '\bhong ?kong dollars?\b', 'hkd', 'g'), '\bswiss francs?\b', 'chf', 'g'),
                        '\bpounds? sterling\b', 'gbp', 'g'),
                        -- "mil" is a million to Americans and a thousand to half of the world.
                        '^((?:us)?\$|usd|£) ?(.*\d) ?mil\b', '\1 \2 million')
                else s
            end
        )[1]
    end
)[1]
