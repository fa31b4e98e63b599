"""Texts of other systems as the models compare them; ``linkt_trimmed`` and ``linkt_word`` are the same in SQL."""

import re

_BLANK = r"[\x00-\x20\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
_AROUND = re.compile(rf"\A{_BLANK}+|{_BLANK}+\Z")


def trimmed(text: str | None) -> str | None:
    """The text without white space, control characters and characters of no width around it; None for no text."""
    return _AROUND.sub("", text) or None if text else None


def word(text: str | None) -> str | None:
    """The trimmed text in lower case: letter by letter, as SQL does it (``İ`` is ``i``, a last ``Σ`` is ``σ``)."""
    kept = trimmed(text)
    return kept and "".join(letter.lower()[0] for letter in kept)
