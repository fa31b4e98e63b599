-- description: The currency that a sign, an ISO code or a name stands for. Alone, $ is USD and ¥ is JPY; "kr" and "pesos" are
--   currencies of several countries.
-- parameter word: Lower case, without accents and without a dot.
-- returns: VARCHAR, the ISO code; an empty text for a currency of several countries, null for what is no currency.
list_transform(
    [word],
    lambda w:
    case
        when w in ('$', 'us$', 'usd$', 'dollar', 'dollars', 'buck', 'bucks', '美元', 'ドル', '달러') then 'USD'
        when w in ('€', 'euro', 'euros', '欧元', 'ユーロ', 'евро') then 'EUR'
        when w in ('£', 'gb£', 'pound', 'pounds', 'sterling', 'quid', '英镑') then 'GBP'
        when w in ('¥', 'jp¥', 'yen', '円', '日元', '엔') then 'JPY'
        when w in ('cn¥', 'rmb', 'yuan', 'renminbi', '元', '人民币') then 'CNY'
        when w in ('c$', 'ca$', 'can$', 'cad$') then 'CAD'
        when w in ('a$', 'au$', 'aud$') then 'AUD'
        when w in ('nz$', 'nzd$') then 'NZD'
        when w in ('hk$', 'hkd$', '港元', '港币') then 'HKD'
        when w in ('s$', 'sg$', 'sgd$') then 'SGD'
        when w in ('nt$', 'twd$') then 'TWD'
        when w in ('mx$', 'mex$') then 'MXN'
        when w in ('r$', 'reais', 'real') then 'BRL'
        when w in ('sfr', 'fr') then 'CHF'
        when w in ('₹', 'rs', 'rupee', 'rupees') then 'INR'
        when w in ('₩', '원', 'won') then 'KRW'
        when w in ('₽', 'руб', 'рублеи', 'rubles', 'roubles') then 'RUB'
        when w in ('zł', 'zl', 'zloty', 'zlotys') then 'PLN'
        when w in ('kc', 'koruna') then 'CZK'
        when w in ('ft', 'forint') then 'HUF'
        when w in ('₺', 'tl') then 'TRY'
        when w in ('₪', 'nis', 'shekel', 'shekels') then 'ILS'
        when w in ('฿', 'baht') then 'THB'
        when w in ('₫', 'dong') then 'VND'
        when w in ('₱') then 'PHP'
        when w in ('₦', 'naira') then 'NGN'
        when w in ('rm', 'ringgit') then 'MYR'
        when w in ('rp', 'rupiah') then 'IDR'
        when w in ('rand') then 'ZAR'
        when w in ('dhs', 'dirham', 'dirhams') then 'AED'
        when w in ('kr', 'kroner', 'kronor', 'krona', 'krone', 'peso', 'pesos') then ''
        when w in (
            'usd', 'eur', 'gbp', 'jpy', 'chf', 'aud', 'cad', 'nzd', 'hkd', 'sgd', 'cny', 'inr', 'krw', 'brl', 'mxn', 'zar', 'sek', 'nok',
            'dkk', 'isk', 'pln', 'czk', 'huf', 'ron', 'bgn', 'try', 'ils', 'aed', 'sar', 'qar', 'kwd', 'bhd', 'omr', 'egp', 'mad', 'tnd',
            'thb', 'vnd', 'idr', 'myr', 'php', 'twd', 'pkr', 'bdt', 'lkr', 'rub', 'uah', 'kzt', 'ngn', 'kes', 'ghs', 'ars', 'clp', 'cop',
            'pen', 'uyu'
        ) then upper(w)
    end
)[1]
