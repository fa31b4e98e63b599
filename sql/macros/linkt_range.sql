-- description: A head count or another number of things: "51-200", "1,000+", "up to 25", "über 500", "c_10001_max", 50, or an object
--   with two ends. A text that is not clearly such a number has no ends.
-- parameter value: A JSON value, a text or a number.
-- returns: STRUCT(low DOUBLE, high DOUBLE, reading VARCHAR); reading is exact, about, range, at_least, at_most, unsure, or null
--   where nothing was said.
list_transform(
    list_transform(
        list_transform(
            [linkt_unpacked(value)],
            lambda v: {'said': linkt_said(v), 'is_number': coalesce(json_type(v) in ('UBIGINT', 'BIGINT', 'DOUBLE'), false)}
        ),
        lambda v: {
            'is_empty': v.said is null,
            'quantity': case
                when v.is_number then {
                    'words': []::varchar[],
                    'reading': 'exact',
                    'low': try_cast(v.said as double),
                    'high': try_cast(v.said as double)
                }
                else linkt_quantity(linkt_count_text(v.said))
            end
        }
    ),
    lambda v: case
        when v.is_empty then null
        -- Whole numbers that a DOUBLE holds exactly, and no currency or other word.
        when v.quantity.reading <> 'unsure' and len(v.quantity.words) = 0
            and v.quantity.low >= 0 and v.quantity.high <= 9007199254740992
            and v.quantity.low = floor(v.quantity.low) and v.quantity.high = floor(v.quantity.high)
            then {
                'low': case when v.quantity.reading <> 'at_most' then v.quantity.low end,
                'high': case when v.quantity.reading <> 'at_least' then v.quantity.high end,
                'reading': v.quantity.reading
            }
        else {'low': null::double, 'high': null::double, 'reading': 'unsure'}
    end
)[1]
