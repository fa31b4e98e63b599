-- description: The text of a place without empty parts: ", , Germany" is "Germany", ", , " is nothing.
-- parameter text: Text as sent.
-- returns: VARCHAR, or null
list_transform(
    [trim(regexp_replace(regexp_replace(text, '(?:\s*,)+\s*', ', ', 'g'), '^[\s,;]+|[\s,;]+$', '', 'g'))],
    lambda t: case when regexp_matches(t, '[\pL\pN]')
            and not regexp_full_match(t, '(?i)(?:(?:n/?a|n\.a\.?|none|null|nan|unknown|undefined|tbd|not (?:available|disclosed|specified|found))(?:, |$))+')
            then t
    end
)[1]
