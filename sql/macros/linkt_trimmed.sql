-- description: Text without the blanks around it: white space of any kind, control characters and what has no width.
-- parameter text: Any text.
-- returns: VARCHAR, or null where nothing else is in it.
-- trim() alone knows no tab, no new line and nothing without width. linkt_pipeline/plain_text.py has the same rule.
nullif(
    regexp_replace(
        text,
        '^[\x00-\x20\x7f-\xa0\xad\x{1680}\x{180e}\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{206f}\x{3000}\x{feff}]+|[\x00-\x20\x7f-\xa0\xad\x{1680}\x{180e}\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{206f}\x{3000}\x{feff}]+$',
        '', 'g'
    ),
    ''
)
