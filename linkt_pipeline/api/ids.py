"""Ids are checked before they enter a URL: a run's output is data, and data must not choose a path."""

import re

from linkt_pipeline.api.errors import InvalidIdError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


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
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    shown = repr(value)
    raise InvalidIdError(
        f"{shown if len(shown) <= 80 else shown[:77] + '...'} is not a Linkt {kind} id "
        "(24 hexadecimal digits); nothing was asked of the API"
    )
