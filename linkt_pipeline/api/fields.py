"""Reads single values of a body leniently: a value that can't be read, or is out of bounds, is None, never an error.

Every number from outside passes here. An absurd number (a run of ten thousand years, 10**30 candidates) would overflow
a duration, a column or a sum later on. The payload keeps it as it was sent.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic_core import to_json


def read_timestamp(value: object) -> datetime | None:
    """A UTC time from any of the three renderings the API uses; a time without a zone is UTC.

    Returns:
        An aware datetime in UTC, None for null and for what is no time at all.
    """
    if not isinstance(value, str | datetime):
        return None
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


Timestamp = Annotated[datetime | None, PlainValidator(read_timestamp)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]
Number = Annotated[float | None, PlainValidator(lambda value: number(value))]
Texts = Annotated[list[str], BeforeValidator(lambda value: [] if value is None else value)]
Id = Annotated[str, Field(min_length=1)]

LARGEST_NUMBER = 1e12
LARGEST_COST = 1e9  # credits of one run, as in linkt.run_costs
LONGEST_RUN = 10 * 365 * 86_400.0  # seconds


def part(container: object, key: str) -> object:
    """What a JSON object holds under a key; None when it is no object, or has no such key."""
    return container.get(key) if isinstance(container, Mapping) else None


def number(value: object, least: float = -LARGEST_NUMBER, most: float = LARGEST_NUMBER) -> float | None:
    """A number within bounds, also from its text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = float(value)
    except (ValueError, OverflowError):
        return None
    return amount if least <= amount <= most else None  # NaN is in no bounds


def whole_number(value: object, least: int = 0, most: int = int(LARGEST_NUMBER)) -> int | None:
    """A count within bounds; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None


def as_text(value: object) -> str:
    """A string as it is, any other JSON value as its text."""
    return value if isinstance(value, str) else to_json(value).decode()
