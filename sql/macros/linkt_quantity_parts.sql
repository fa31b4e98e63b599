-- description: The parts of a text that holds one number or two: what opens it, signs, words before and behind each number.
-- parameter text: A text that has been through linkt_open_ends.
-- returns: STRUCT of VARCHAR: opened, minus, pre1, inner_minus, n1, w1, w2, pre2, n2, w3, w4, closed; all empty where the text
--   holds anything else.
regexp_extract(
    replace(text, '≈', ' '),
    '^ *([<>]?) *(-?)([a-z$\x{80}-\x{10ffff}]*[a-z]\.|[a-z$\x{80}-\x{10ffff}]*) *(-?)(\d+(?:\.\d+)?e[+-]?\d+|\d+(?:[.,'' ]\d+)*|\.\d+)'
    || ' *([a-z$\x{80}-\x{10ffff}]*)\.? *([a-z$\x{80}-\x{10ffff}]*)\.?'
    || '(?: *(?:-|~|至|到|\bto\b|\bbis\b|\buntil\b|\bhasta\b|\ba\b) *([a-z$\x{80}-\x{10ffff}]*[a-z]\.|[a-z$\x{80}-\x{10ffff}]*) *(\d+(?:[.,'' ]\d+)*)'
    || ' *([a-z$\x{80}-\x{10ffff}]*)\.? *([a-z$\x{80}-\x{10ffff}]*)\.?)? *([<>]?) *$',
    ['opened', 'minus', 'pre1', 'inner_minus', 'n1', 'w1', 'w2', 'pre2', 'n2', 'w3', 'w4', 'closed']
)
