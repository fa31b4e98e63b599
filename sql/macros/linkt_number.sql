-- description: One number that stands alone, as people of many countries write it: 1,234.5 and 1.234,5 and 1 234,5 and
--   12,34,567 and 1,5. What can be read in two ways (1.234) is nothing, and so are 007, NaN and infinity.
-- parameter text: The number, with or without a minus sign; no unit, no currency.
-- returns: DOUBLE, or null if the text is not clearly a number.
list_transform(
    [text],
    lambda t:
    case
        -- 12, 12.5, 1234.567, 0.125, 1.5e6: as programs write it.
        when regexp_full_match(t, '-?(0|[1-9]\d*)(\.(\d{1,2}|\d{4,}))?|-?(0|[1-9]\d{3,})\.\d+|-?\d{1,15}(\.\d+)?[eE][+-]?\d{1,3}|-?\.\d+')
            then case when isfinite(try_cast(t as double)) then try_cast(t as double) end
        -- 1,234,567.8 and, of India, 12,34,567.8
        when regexp_full_match(t, '-?[1-9]\d{0,2}(,\d{3})+(\.\d+)?|-?[1-9]\d?(,\d{2})+,\d{3}(\.\d+)?')
            then try_cast(replace(t, ',', '') as double)
        -- 1.234.567,8
        when regexp_full_match(t, '-?[1-9]\d{0,2}((\.\d{3}){2,}(,\d+)?|\.\d{3},\d+)')
            then try_cast(replace(replace(t, '.', ''), ',', '.') as double)
        -- 1,5 and 0,125
        when regexp_full_match(t, '-?(0|[1-9]\d*),\d{1,2}|-?0,\d+|-?[1-9]\d{3,},\d+')
            then try_cast(replace(t, ',', '.') as double)
        -- 1 234 567,8 and 1'234'567.8
        when regexp_full_match(t, '-?[1-9]\d{0,2}(( \d{3})+|(''\d{3})+)([.,]\d+)?')
            then try_cast(replace(replace(replace(t, ' ', ''), '''', ''), ',', '.') as double)
    end
)[1]
