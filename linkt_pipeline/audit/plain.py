"""Reads texts that can be read in one way only. The macros of sql/macros read many more texts; nothing judges those.

Every function gives UNSURE for a text that it can't read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from linkt_pipeline.audit.values import UNSURE

_SAYS_NOTHING = {"n/a", "na", "n.a.", "none", "null", "unknown", "not available", "not disclosed", "undisclosed", "-"}


@dataclass(frozen=True)
class Reading:
    """An amount or a head count; ends in units."""

    low: Any
    high: Any
    reading: Any
    currency: Any = None


NOTHING_SAID = Reading(None, None, None)
NOT_PLAIN = Reading(UNSURE, UNSURE, UNSURE, UNSURE)


def plain_text(value: Any) -> Any:
    """A text that is not empty and needs no cleaning."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.isprintable() or value != " ".join(value.split()) or not value:
        return UNSURE
    if value.lower() in _SAYS_NOTHING or value[0] in "[{\"'" or not any(map(str.isalnum, value)):
        return UNSURE
    return value


def plain_texts(value: Any) -> Any:
    """The texts of a list of plain texts, or the one text; none for nothing."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    plain = [plain_text(item) for item in items]
    if any(item is UNSURE or item is None or re.search(r"[,;|/&\n]", item) for item in plain):
        return UNSURE
    return plain


_COUNT = r"\d{1,3}(?:,\d{3})+|[1-9]\d{0,6}"


def head_count(value: Any) -> Reading:
    """``200``, ``51-200``, ``1,000+`` and whole numbers."""
    if value is None:
        return NOTHING_SAID
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1e7:
        return Reading(value, value, "exact")
    if not isinstance(value, str):
        return NOT_PLAIN
    if re.fullmatch(_COUNT, value):
        return Reading(_count(value), _count(value), "exact")
    if ends := re.fullmatch(f"({_COUNT})-({_COUNT})", value):
        low, high = _count(ends[1]), _count(ends[2])
        return Reading(low, high, "range") if low < high else NOT_PLAIN
    if least := re.fullmatch(rf"({_COUNT})\+", value):
        return Reading(_count(least[1]), None, "at_least")
    return NOT_PLAIN


def _count(digits: str) -> int:
    return int(digits.replace(",", ""))


_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}
_DOLLARS = r"\$(\d{1,3}(?:\.\d{1,2})?)([KMB])"


def money(value: Any) -> Reading:
    """``$50M``, ``$10M-$20M`` and whole numbers."""
    if value is None:
        return NOTHING_SAID
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1e12:
        return Reading(value, value, "exact")
    if not isinstance(value, str):
        return NOT_PLAIN
    if one := re.fullmatch(_DOLLARS, value):
        dollars = _dollars(one[1], one[2])
        return Reading(dollars, dollars, "exact", "USD")
    if ends := re.fullmatch(f"{_DOLLARS}-{_DOLLARS}", value):
        low, high = _dollars(ends[1], ends[2]), _dollars(ends[3], ends[4])
        return Reading(low, high, "range", "USD") if low < high else NOT_PLAIN
    return NOT_PLAIN


def _dollars(number: str, unit: str) -> float:
    return float(number) * _UNITS[unit]


_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24})(?:/[\w./?=&%#-]*)?", re.I | re.A
)


def host_of(address: Any) -> Any:
    """The host of a plain web address, in lower case and without ``www.``."""
    if address is None:
        return None
    found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if found is None or "xn--" in address.lower() or "%" in address or found[1].lower().startswith("www."):
        return UNSURE
    return found[1].lower()


def email_of(value: Any) -> Any:
    """A plain e-mail address, in lower case."""
    if value is None:
        return None
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9._+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}", value)
    return value.lower() if plain else UNSURE


def phone_of(value: Any) -> Any:
    """A plain telephone number, as written."""
    if value is None:
        return None
    return value if isinstance(value, str) and re.fullmatch(r"\+\d[\d -]{7,15}\d", value) else UNSURE


def url_of(value: Any) -> Any:
    """A plain web address, or the one of an object."""
    if isinstance(value, Mapping):
        value = value.get("url")
        if value is None:
            return UNSURE
    if value is None:
        return None
    return (
        value if isinstance(value, str) and re.fullmatch(r"(https?://)?[\w.-]+\.[a-z]+(/[\w./-]*)?", value) else UNSURE
    )


@dataclass(frozen=True)
class Place:
    """A place, as text and in parts."""

    text: Any
    city: Any
    state: Any
    country: Any


def is_plain_place(text: Any) -> bool:
    """Whether a text is a list of places, separated by commas, that needs no cleaning."""
    return isinstance(text, str) and not any(plain_text(part) in (UNSURE, None) for part in text.split(", "))


NO_PLACE = Place(None, None, None, None)
_NOT_PLAIN_PLACE = Place(UNSURE, UNSURE, UNSURE, UNSURE)


def place_of(value: Any) -> Place:
    """A plain text, or an object of plain city, state and country."""
    if value is None:
        return NO_PLACE
    if isinstance(value, str):
        return Place(value, None, None, None) if is_plain_place(value) else _NOT_PLAIN_PLACE
    if not isinstance(value, Mapping) or value.keys() - {"city", "state", "country"}:
        return _NOT_PLAIN_PLACE
    parts = [plain_text(value.get(part)) for part in ("city", "state", "country")]
    if UNSURE in parts or not any(parts):
        return _NOT_PLAIN_PLACE
    return Place(", ".join(filter(None, parts)), *parts)
