"""Texts as they are shown. Linkt's texts come from the web and from other programs: stored as sent, shown clean.

Every text goes through here on its way out: to the terminal, logs, Dagster's metadata and failures, the report. A
control character is shown as its escape. So it moves no cursor, fills no clipboard and reverses no line, and a person
sees that it was there.
"""

import re

from linkt_pipeline.redaction import redact, redact_value

LONGEST_MESSAGE = 4_000
LONGEST_VALUE = 1_000
# Controls of C0 (but tab and newline), DEL and C1, what reorders text, further line ends, and what UTF-8 or XML lacks.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def shown(message: str, longest: int | None = LONGEST_MESSAGE) -> str:
    """A message without secrets and controls, cut to ``longest`` characters with a mark that says so."""
    return escape_controls(cut(redact(message), longest))


def shown_value(value: str, longest: int | None = LONGEST_VALUE) -> str:
    """A value of a row, likewise."""
    return escape_controls(cut(redact_value(value), longest))


def cut(text: str, longest: int | None) -> str:
    """At most ``longest`` characters and the mark. Take secrets out before: half a secret does not look like one."""
    if longest is None or len(text) <= longest:
        return text
    return f"{text[:longest]}… (cut: {len(text):,} characters)"


def escape_controls(text: str) -> str:
    """Control characters as Python writes them; tab and newline stay, CRLF becomes a newline."""
    return _UNSAFE.sub(lambda found: _escape(ord(found[0])), text.replace("\r\n", "\n"))


def escape_json(document: str) -> str:
    """A JSON text whose strings hold the same characters, controls written as escapes: nothing is lost."""
    # A carriage return as it is can stand between values only.
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", document.replace("\r", " "))


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
