"""Single values of a payload, read as the API's description has them; what is missing or odd is None."""

import json
from collections.abc import Mapping
from typing import Any

from linkt_pipeline.plain_text import trimmed, word

_WRAPPER = {"value", "display", "references", "created_at", "updated_at"}
MOST_CREDITS = 1e9  # beyond it, a number is no statement about a cost
_LONGEST_RUN = 10 * 365 * 86_400.0  # seconds


def text(body: Any, key: str) -> str | None:
    """A text under a key; a number counts as the text it is written as."""
    found = part(body, key)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return json.dumps(found)
    return found if isinstance(found, str) else None


def part(body: Any, key: str) -> Any:
    """What an object holds under a key."""
    return body.get(key) if isinstance(body, Mapping) else None


def external_key(entity: Any) -> tuple[str | None, str | None]:
    """The system that has an external id for an entity, in lower case, and that id, both without blanks around."""
    return word(text(entity, "external_source")), trimmed(text(entity, "external_id"))


def amount(value: Any, least: float, most: float) -> float | None:
    """A number, also from its text, within bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if least <= number <= most else None


def texts(value: Any) -> list[str]:
    """The texts of a list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def total_credits(run: Any) -> float | None:
    """What a run says that it cost in all."""
    return amount(part(part(part(run, "output"), "credits"), "total_credits"), 0, MOST_CREDITS)


def breakdown(run: Any) -> dict[str, float]:
    """Credits by kind of action; a refund is below zero."""
    items = part(part(part(run, "output"), "credits"), "breakdown")
    if not isinstance(items, Mapping):
        return {}
    read = {action: amount(credits, -MOST_CREDITS, MOST_CREDITS) for action, credits in items.items()}
    return {action: credits for action, credits in read.items() if credits is not None}


def run_time(run: Any) -> float | None:
    """Working time that a run reports, in seconds."""
    return amount(part(part(run, "output"), "run_time"), 0, _LONGEST_RUN)


def named(run: Any, resource: str) -> list[str]:
    """Ids that a run names under ``entities_created`` and the like."""
    return texts(part(part(part(run, "output"), "resources"), resource))


def rows_given(run: Any) -> list[Any]:
    """The rows that an ingest was started with."""
    rows = part(part(part(run, "input"), "parameters"), "input_entities")
    return rows if isinstance(rows, list) else []


def value_of(attribute: Any) -> Any:
    """The value of a field: fields come wrapped (value, references, times) and bare."""
    if isinstance(attribute, Mapping) and attribute.keys() & _WRAPPER:
        return attribute.get("value")
    return attribute


def references_of(attribute: Any) -> Any:
    """What backs a field; None where it is bare."""
    return attribute.get("references") if isinstance(attribute, Mapping) else None


def data_of(entity: Any) -> dict[str, Any]:
    """The fields of an entity."""
    data = part(entity, "data")
    return data if isinstance(data, dict) else {}


STATUSES = {
    "SCHEDULED": "SCHEDULED",
    "PENDING": "PENDING",
    "RUNNING": "RUNNING",
    "PAUSED": "PAUSED",
    "COMPLETED": "COMPLETED",
    "FAILED": "FAILED",
    "CANCELED": "CANCELED",
    "CRASHED": "CRASHED",
    "CANCELLED": "CANCELED",
    "CANCELLING": "RUNNING",
    "CANCELING": "RUNNING",
}
FINAL = frozenset({"COMPLETED", "FAILED", "CANCELED", "CRASHED"})


def meant_status(status: str | None) -> str | None:
    """The one of the eight documented states that a word means."""
    return STATUSES.get(status.strip().upper()) if status else None
