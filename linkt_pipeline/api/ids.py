"""Ids are checked before they enter a URL: a run's output is data, and data must not choose a path."""

import re
from datetime import UTC, datetime

from linkt_pipeline.api.errors import InvalidIdError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")


def check_id(value: object, *, kind: str) -> str:
    """The id unchanged, if it may enter a URL.

    Linkt ids are 24 hexadecimal digits; anything of letters, digits, ``_`` and ``-`` up to 64 characters passes, so
    that a change of the vendor's id scheme needs no change here.

    Args:
        value: the id as it came from the API or the user.
        kind: what it should identify, for the message: ``run``, ``entity``...

    Raises:
        InvalidIdError: it is not a string of that form. No request has been made.
    """
    if isinstance(value, str) and is_id(value):
        return value
    shown = repr(value)
    raise InvalidIdError(
        f"{shown if len(shown) <= 80 else shown[:77] + '...'} is not a Linkt {kind} id "
        "(24 hexadecimal digits); no request was sent"
    )


def is_id(value: object) -> bool:
    """Whether a value may enter a URL as an id; see :func:`check_id`."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def same_id(one: str | None, other: str | None) -> bool:
    """Whether two ids name one thing: upper and lower case are the same, and blanks around an id do not count."""
    return one is not None and other is not None and one.strip().casefold() == other.strip().casefold()


def made_at(value: str) -> datetime | None:
    """When an id was made, by the clock of the server that made it; None for an id without a time.

    The first eight of an ObjectId's 24 hexadecimal digits are the time of its making, in seconds.
    """
    if not _OBJECT_ID.fullmatch(value):
        return None
    return datetime.fromtimestamp(int(value[:8], 16), UTC)
