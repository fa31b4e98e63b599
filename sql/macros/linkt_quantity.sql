-- description: What a text says of a number: one, a range, or one end. Everything in the text has to be understood, else the
--   reading is "unsure" and there are no numbers. The basis of linkt_amount and linkt_range.
-- parameter text: A text that has been through linkt_plain, without words that only say what is counted.
-- returns: STRUCT(low DOUBLE, high DOUBLE, words VARCHAR[], reading VARCHAR); words are those that are no units, and for
--   at_least and at_most the one end stands in both low and high.
--
-- What is needed more than once is bound as the one element of a list, because DuckDB writes out, and computes, a macro's
-- argument wherever its name stands.
list_transform(
    list_transform(
        list_transform(
            list_transform(
                [linkt_open_ends(text)],
                lambda t: {'part': linkt_quantity_parts(t), 'is_about': contains(t, '≈')}
            ),
            lambda s: {
                'part': s.part,
                'is_about': s.is_about,
                'words': [rtrim(s.part.pre1, '.'), s.part.w1, s.part.w2, rtrim(s.part.pre2, '.'), s.part.w3, s.part.w4],
                'units': list_transform(
                    ['', s.part.w1, s.part.w2, '', s.part.w3, s.part.w4], lambda w: linkt_unit(w)
                )
            }
        ),
        lambda s: {
            'ends': s.part.opened || s.part.closed,
            'sign': case when s.part.minus = '' and s.part.inner_minus = '' then 1 else -1 end,
            'is_about': s.is_about,
            'is_range': s.part.n2 <> '',
            'words': list_filter(s.words, lambda w, place: w <> '' and s.units[place] is null),
            'is_odd': (s.units[2] is not null and s.units[3] is not null)
                or (s.units[5] is not null and s.units[6] is not null)
                or (s.part.n2 <> '' and coalesce(s.units[2], s.units[3]) is not null and s.units[5] is null and s.units[6] is null),
            -- In "10-20M" the unit counts for both ends; in "500-1M" it can't, and who knows what was meant.
            'first': case
                when s.part.n2 <> '' and s.units[2] is null and s.units[3] is null
                    then linkt_scaled(s.part.n1, coalesce(s.units[5], s.units[6]), s.part.w3)
                else linkt_scaled(s.part.n1, coalesce(s.units[2], s.units[3]), s.part.w1)
            end,
            'second': case
                when s.part.n2 <> '' then linkt_scaled(s.part.n2, coalesce(s.units[5], s.units[6]), s.part.w3)
            end
        }
    ),
    lambda q: {
        'words': q.words,
        'reading': case
            when q.first is null or q.is_odd then 'unsure'
            when q.is_range then case
                when q.first <= q.second and q.ends = '' and q.sign = 1 then 'range'
                else 'unsure'
            end
            when q.ends = '' then case when q.is_about then 'about' else 'exact' end
            when q.sign = 1 and q.ends in ('>', '>>') then 'at_least'
            when q.sign = 1 and q.ends in ('<', '<<') then 'at_most'
            else 'unsure'
        end,
        'low': q.sign * q.first,
        'high': coalesce(q.second, q.sign * q.first)
    }
)[1]
