-- description: A text without the years that date its number: "(2024)", "FY2023:", "in 2024", "as of March 2023", and without
--   remarks in brackets that change nothing. Other brackets stay, and so make the reading unsure.
-- parameter text: A text that has been through linkt_plain.
-- returns: VARCHAR
trim(regexp_replace(
    regexp_replace(
        regexp_replace(
            text,
            '\((?:[ ,.:;]*(?:(?:19|20)\d\d|fy ?(?:\d\d)?\d\d|est(?:imated?|imates?)?|approx(?:imately)?|linkedin|as|of|in|for|fiscal|year|'
            || 'ended|ending|total|worldwide|global(?:ly)?|annual(?:ly)?|revenues?|employees|people|ftes?|headcount|latest|current|reported|'
            || '(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*|q[1-4]|company|website|stand|source))+[ ,.:;]*\)', ' ', 'g'
        ),
        '\((in )?(k|m|mn|mm|bn|mio|mrd|thousands?|millions?|billions?|usd|eur|gbp|chf|jpy|cad|aud|[$€£¥])\)', ' \2 ', 'g'
    ),
    '\b(?:fy|fiscal(?: year)?) ?''?(?:(?:19|20)\d\d|\d\d)(?: ?[/-] ?(?:(?:19|20)\d\d|\d\d))?\b ?:?'
    || '|\b(?:as of|as at|in|for|during|(?:at )?(?:the )?end of|stand|im jahr|en|nel)(?: (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,?)? '
    || '(?:19|20)\d\d\b|^(?:19|20)\d\d ?: ', ' ', 'g'
))
