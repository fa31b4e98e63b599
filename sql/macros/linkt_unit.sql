-- description: What a word behind a number multiplies it by: k, million, mln, Mrd, crore, lakh, 億. Words that mean
--   different things to different people (Spanish and American "mil", "t") have no value.
-- parameter word: Lower case, without accents and without a dot.
-- returns: DOUBLE, or null where it is no unit.
list_transform(
    [word],
    lambda w:
    case
        when w = '' then null
        when w in ('k', 'thousand', 'thousands', 'tsd', 'tausend', 'mille', 'mila', 'тыс', '千', '천') then 1e3
        when w in ('万', '萬', '만') then 1e4
        when w in ('lakh', 'lakhs', 'lac', 'lacs', '十万') then 1e5
        when w in (
            'm', 'mm', 'mn', 'mln', 'mio', 'mill', 'million', 'millions', 'millionen', 'millon', 'millones', 'milhao', 'milhoes',
            'milione', 'milioni', 'miljoen', 'miljoner', 'млн', '百万', '백만'
        ) then 1e6
        when w in ('cr', 'crore', 'crores', '千万', '천만') then 1e7
        when w in ('亿', '億', '억') then 1e8
        when w in (
            'b', 'bn', 'bln', 'bil', 'billion', 'billions', 'mrd', 'mld', 'md', 'mds', 'milliard', 'milliards', 'milliarde',
            'milliarden', 'miliardi', 'miliardo', 'miljard', 'miljarder', 'млрд', '十亿', '十億'
        ) then 1e9
        when w in ('tn', 'trn', 'trillion', 'trillions', 'трлн', '兆', '조') then 1e12
    end
)[1]
