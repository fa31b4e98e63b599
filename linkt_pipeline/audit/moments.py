"""Times as whole microseconds since 1970 in UTC, the same for every session, time zone and published type."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

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


def local(moment: int, zone: str) -> datetime:
    """A moment as the clocks of a zone show it."""
    return (_EPOCH + moment * _TICK).astimezone(ZoneInfo(zone))


def local_date(moment: int, zone: str) -> date:
    """The day of a moment in a zone."""
    return local(moment, zone).date()


def day_of(moment: int, zone: str) -> str:
    """The day of a moment in a zone, as ``2026-01-31``."""
    return local_date(moment, zone).isoformat()


def monday_of(moment: int, zone: str) -> str:
    """The Monday of the week of a moment, in a zone."""
    day = local_date(moment, zone)
    return (day - timedelta(days=day.weekday())).isoformat()


def month_of(moment: int, zone: str) -> str:
    """The first day of the month of a moment, in a zone."""
    return local_date(moment, zone).replace(day=1).isoformat()


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
