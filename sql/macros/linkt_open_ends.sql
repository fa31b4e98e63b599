-- description: A text with its years gone and its words for "more than", "at most", "about" and "from ... to" replaced by >, <, ≈
--   and -, in the languages that Linkt's sources are written in.
-- parameter text: A text that has been through linkt_plain.
-- returns: VARCHAR
list_transform(
    [text],
    lambda said:
    case
        when regexp_full_match(said, '[\d,]*\d\+?|[\d,]*\d *- *[\d,]*\d|\$ ?\d+(\.\d+)?[kmb]?') then replace(said, '+', '>')
        when contains(said, '_')
            then regexp_replace(regexp_replace(said, '^[a-z]_0*(\d+)_max$', '\1>'), '^[a-z]_0*(\d+)_0*(\d+)$', '\1-\2')
        else list_transform(
            [linkt_without_years(said)],
            lambda t: regexp_replace(
                regexp_replace(
                    regexp_replace(
                        regexp_replace(
                            regexp_replace(
                                regexp_replace(
                                    t,
                                    '\b(approx(?:imately)?|about|around|circa|roughly|nearly|almost|etwa|rund|ungefahr|environ|'
                                    || 'aproximadamente|alrededor de|unos|unas|circa|ongeveer|cerca de|estimated)\b\.?|\bca(?:\. ?| )|^c\. ?|^~', '≈', 'g'
                                ),
                                -- "no more than" is an upper end, so it comes before "more than".
                                '\b(?:(?:no|not) more than|nicht mehr als|pas plus de)\b|不超过|不超過|不多于|不多於', '<', 'g'
                            ),
                            '\b(?:no|not) (?:less|fewer) than\b|不少于|不少於|不低于|至少', '>', 'g'
                        ),
                        '\b(?:more than|greater than|at least|over|above|min(?:imum)?|exceed(?:s|ing)|upwards? of|north of|uber|ueber|'
                        || 'mehr als|mindestens|ab|plus de|au moins|mas de|al menos|por lo menos|oltre|piu di|almeno|meer dan|mais de)\b\.?'
                        || '|超过|超過|多于|多於|大于|高于|>=|=>|,? ?\b(?:or|and|und|oder|ou|o|y) (?:more|above|over|up|greater|higher|mehr|daruber|'
                        || 'plus|mas)\b|以上|\+ *$|\bplus$|\bupwards?$', '>', 'g'
                    ),
                    '\b(?:less than|fewer than|up ?to|at most|under|below|max(?:imum|imal)?|unter|bis zu|weniger als|hochstens|moins de|'
                    || 'jusqu''a|menos de|hasta|meno di|fino a|minder dan|ate)\b\.?|少于|少於|小于|低于|不到|<=|=<'
                    || '|,? ?\b(?:or|and|und|oder|ou|o|y) (?:less|fewer|under|below|lower|weniger|moins|menos)\b|以下|以内|以內|未满|未満', '<', 'g'
                ),
                '^ *(?:from|von|de|desde|between|zwischen|entre|tra) (.*\d.*?) *(?:-|\b(?:to|bis|a|hasta|and|und|et|y|e)\b) *(\D*\d.*)$', '\1 - \2'
            )
        )[1]
    end
)[1]
