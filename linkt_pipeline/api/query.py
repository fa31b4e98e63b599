"""Query texts in the form the API reads."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

Query = Mapping[str, object]


def encode_query(query: Query) -> str:
    """Query text as the API reads it: repeated keys for lists, ``true`` / ``false``, times in UTC with ``Z``."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        if value is None:
            continue
        several = value if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str) else [value]
        pairs += [(name, _query_text(item)) for item in several]
    return urlencode(pairs)


def _query_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; a local time would silently shift the answer")
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return str(value)
