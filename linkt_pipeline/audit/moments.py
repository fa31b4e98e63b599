"""Times as whole microseconds since 1970 in UTC, the same for every session, time zone and published type."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
SECOND = 1_000_000
DAY = 86_400 * SECOND


def moment_of(text: Any) -> int | None:
    """A time as the API writes it; one without a zone is UTC. None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _TICK
    except (ValueError, OverflowError):
        return None


def day_of(moment: int) -> str:
    """The UTC day, as ``2026-01-31``."""
    return _date(moment).isoformat()


def monday_of(moment: int) -> str:
    """The Monday of the week of a moment, in UTC."""
    day = _date(moment)
    return (day - timedelta(days=day.weekday())).isoformat()


def _date(moment: int) -> date:
    return (_EPOCH + moment * _TICK).date()


def shown_moment(moment: int | None) -> str | None:
    """A moment for a person's eyes, with every digit."""
    return None if moment is None else (_EPOCH + moment * _TICK).isoformat().replace("+00:00", "Z")


EARLIEST = ((datetime(2020, 1, 1, tzinfo=UTC)) - _EPOCH) // _TICK  # Linkt made no run before


def id_moment(object_id: str) -> int | None:
    """The time in an id: the first eight of its 24 hexadecimal digits are seconds. None for what is no such id."""
    if len(object_id) != 24:
        return None
    try:
        int(object_id, 16)
        return int(object_id[:8], 16) * SECOND
    except ValueError:
        return None
