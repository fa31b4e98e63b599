-- description: An amount of money: "$50M", "€1,2 Mrd.", "USD 5M", "1-10M EUR", "under ¥500 million", 41000000, or an object with
--   amount or two ends and a currency. A text that is not clearly an amount has no ends.
-- parameter value: A JSON value, a text or a number.
-- returns: STRUCT(low DOUBLE, high DOUBLE, currency VARCHAR, reading VARCHAR); reading is exact, about, range, at_least, at_most,
--   unsure, or null where nothing was said.
list_transform(
    list_transform(
        list_transform(
            list_transform(
                [linkt_unpacked(value)],
                lambda v: {
                    'said': linkt_said(v),
                    'is_number': coalesce(json_type(v) in ('UBIGINT', 'BIGINT', 'DOUBLE'), false),
                    'stated': case when json_type(v) = 'OBJECT' then lower(trim(v ->> '$.currency')) end
                }
            ),
            lambda v: {
                'is_empty': v.said is null,
                'stated': v.stated,
                'quantity': case
                    when v.is_number then {
                        'words': []::varchar[],
                        'reading': 'exact',
                        'low': try_cast(v.said as double),
                        'high': try_cast(v.said as double)
                    }
                    else linkt_quantity(linkt_money_text(v.said))
                end
            }
        ),
        lambda v: {
            'is_empty': v.is_empty,
            'quantity': v.quantity,
            'currency': linkt_one_currency(list_filter(list_append(v.quantity.words, v.stated), lambda w: w <> ''))
        }
    ),
    lambda v: case
        when v.is_empty then null
        when v.quantity.reading <> 'unsure' and v.currency is not null
            and isfinite(v.quantity.low) and isfinite(v.quantity.high)
            then {
                'low': case when v.quantity.reading <> 'at_most' then v.quantity.low end,
                'high': case when v.quantity.reading <> 'at_least' then v.quantity.high end,
                'currency': nullif(v.currency, ''),
                'reading': v.quantity.reading
            }
        else {'low': null::double, 'high': null::double, 'currency': null::varchar, 'reading': 'unsure'}
    end
)[1]
