"""What answers say about limits. The vendor sends such headers, but no readable page gives their names.

So every header with ``ratelimit`` in its name is read, in the forms in use: ``X-RateLimit-Limit: 300`` (and
``-Remaining``, ``-Reset``, with or without a scope such as ``-Minute``), ``RateLimit: limit=300, remaining=1, reset=9``
and the structured ``RateLimit-Policy: "default";q=300;w=60``.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from linkt_pipeline.api.fields import number
from linkt_pipeline.api.json_text import load_json

_SCOPES = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "daily": 86400.0}
_PAIR = re.compile(
    r"(?:^|[;,\s])(?P<name>limit|remaining|reset|q|r|t|w)\s*=\s*(?P<number>\d+(?:\.\d+)?)", re.IGNORECASE
)
_MEANING = {"limit": "limit", "q": "limit", "remaining": "remaining", "r": "remaining", "reset": "reset", "t": "reset"}
_EPOCH = 1e9
_EPOCH_MILLISECONDS = 1e12
_LONGEST = 366 * 86400.0
_BOUNDS = {"limit": (1.0, 1e9), "remaining": (0.0, 1e9), "reset": (0.0, _LONGEST), "window": (0.001, _LONGEST)}


@dataclass(slots=True)
class LimitState:
    """One limit as an answer describes it.

    Attributes:
        limit: requests allowed in the window.
        remaining: requests left in it.
        reset: seconds until the next window starts.
        window: its length in seconds, None where the answer does not say.
    """

    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None
    window: float | None = None


def read_limits(headers: Mapping[str, str]) -> list[LimitState]:
    """The limits an answer mentions, by scope; empty for most answers, so this is cheap."""
    found: dict[str, LimitState] = {}
    for name in headers:
        if not _speaks_of_limits(name):
            continue
        lowered, value = name.lower(), headers[name]
        scope = next((word for word in _SCOPES if word in lowered), "")
        state = found.setdefault(scope, LimitState(window=_SCOPES.get(scope)))
        for meaning, amount in _numbers(lowered, value):
            # The first statement wins: the plain number of a header comes before the pairs behind it.
            if getattr(state, meaning) is None:
                setattr(state, meaning, amount)
    return list(found.values())


@lru_cache(maxsize=512)
def _speaks_of_limits(name: str) -> bool:
    return "ratelimit" in name.lower()


def _numbers(name: str, value: str) -> Iterator[tuple[str, float]]:
    kind = next(
        (word for word in ("remaining", "reset", "limit") if name.split("ratelimit", 1)[1].find(word) >= 0), None
    )
    if kind == "reset":
        seconds = read_wait(value)
        if seconds is not None:
            yield kind, seconds
    elif kind is not None and (stated := re.match(r"\s*(\d+(?:\.\d+)?)", value)):
        yield from _within_bounds(kind, stated[1])
    for pair in _PAIR.finditer(value):
        yield from _within_bounds(_MEANING.get(pair["name"].lower(), "window"), pair["number"])


def _within_bounds(meaning: str, text: str) -> Iterator[tuple[str, float]]:
    """Read a limit. A limit of half a request, or of 400 digits, counts as none."""
    amount = number(text, *_BOUNDS[meaning])
    if amount is not None:
        yield meaning, amount


def read_wait(value: str) -> float | None:
    """Seconds until the moment a header names: a number of seconds, an epoch time, an HTTP or ISO date.

    Returns:
        From zero to a year; None when the text means no time.
    """
    try:
        seconds = float(value)
    except ValueError:
        moment = _date(value)
        return None if moment is None else _bounded((moment - datetime.now(UTC)).total_seconds())
    if not math.isfinite(seconds):
        return None
    # No header says its unit: a number this large can only be a time since 1970, in milliseconds or seconds.
    if seconds >= _EPOCH_MILLISECONDS:
        seconds /= 1000
    return _bounded(seconds - time.time() if seconds >= _EPOCH else seconds)


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), _LONGEST)


def read_retry_after(headers: Mapping[str, str], body: bytes = b"") -> timedelta | None:
    """How long the server asks to wait: ``Retry-After-Ms``, ``Retry-After``, or ``retry_after`` in a JSON body."""
    seconds: float | None = None
    if (milliseconds := headers.get("retry-after-ms")) is not None:
        wait = read_wait(milliseconds)
        seconds = None if wait is None else wait / 1000
    if seconds is None and (text := headers.get("retry-after")) is not None:
        seconds = read_wait(text)
    if seconds is None and b"retry_after" in body:
        seconds = _from_body(body)
    return None if seconds is None else timedelta(seconds=seconds)


def _from_body(body: bytes) -> float | None:
    try:
        value = load_json(body).get("retry_after")
    except (ValueError, AttributeError):
        return None
    return read_wait(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None


def _date(value: str) -> datetime | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(value.strip())
        except (ValueError, TypeError, OverflowError):
            continue
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return None
