-- description: A word of a vocabulary, such as a status, a type or the name of a system: trimmed, in lower case.
-- parameter text: Any text.
-- returns: VARCHAR, or null where nothing is in it.
lower(linkt_trimmed(text))
