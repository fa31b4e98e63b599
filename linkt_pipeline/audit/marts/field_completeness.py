"""marts.field_completeness: how often each field is filled and backed, and how old it is."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.moments import local_date, moment_of
from linkt_pipeline.audit.plain import plain_text
from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.wire import data_of, part, references_of, text, value_of
from linkt_pipeline.audit.world import World

_UTC = "UTC"


@dataclass(slots=True)
class _Filled:
    filled: int = 0
    backed: int = 0
    is_open: bool = False
    days: list[int] = field(default_factory=list)


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    del ids
    entities: Counter[tuple[str | None, str | None]] = Counter()
    fields: dict[tuple[str | None, str | None, str], _Filled] = defaultdict(_Filled)
    for body in world.landed.bodies("entities", "entity_id"):
        kind = (text(body.body, "icp_id"), world.ties.of[body.id].kind)
        entities[kind] += 1
        for name, attribute in data_of(body.body).items():
            _count(world, fields[*kind, name], attribute)
    for (icp_id, entity_type, name), known in fields.items():
        of = entities[icp_id, entity_type]
        yield {
            "icp_id": icp_id,
            "icp_name": world.icp_names.get(icp_id) if icp_id else None,
            "entity_type": entity_type,
            "field": name,
            "entities": of,
            **_figures(known, of),
        }


def _count(world: World, known: _Filled, attribute: Any) -> None:
    filled = _is_filled(attribute)
    if filled is UNSURE:
        known.is_open = True
    elif filled:
        known.filled += 1
        known.backed += _has_reference(attribute)
        changed_at = moment_of(part(attribute, "updated_at"))
        changed_at = moment_of(part(attribute, "created_at")) if changed_at is None else changed_at
        if changed_at is not None and world.as_of is not None:
            known.days.append((local_date(world.as_of, _UTC) - local_date(changed_at, _UTC)).days)


def _figures(known: _Filled, of: int) -> dict[str, Any]:
    if known.is_open:
        return dict.fromkeys(("filled", "rate", "with_reference", "reference_rate", "median_age_days"), UNSURE)
    days = sorted(known.days)
    return {
        "filled": known.filled,
        "rate": known.filled / of,
        "with_reference": known.backed,
        "reference_rate": known.backed / known.filled if known.filled else None,
        "median_age_days": days[(len(days) - 1) // 2] if days else None,
    }


def _is_filled(attribute: Any) -> Any:
    """Whether a field holds something; lists and objects of odd parts are the macros' business."""
    value, display = value_of(attribute), part(attribute, "display")
    match value:
        case None:
            return False
        case str():
            return UNSURE if value.lstrip().startswith("[") else value.strip(" ") not in ("", "{}")
        case list() if not value or all(item in (None, "") for item in value):
            return UNSURE if display else False
        case list():
            return True if any(plain_text(item) not in (None, UNSURE) for item in value) else UNSURE
        case dict():
            is_plain = value and not {"url", "amount"} & value.keys() and not display
            return True if is_plain else UNSURE if value or display else False
    return True


def _has_reference(attribute: Any) -> bool:
    references = references_of(attribute)
    return isinstance(references, str) or (
        isinstance(references, list) and any(each is not None for each in references)
    )


FIELD_COMPLETENESS = Mart(name="field_completeness", key=("icp_id", "entity_type", "field"), rows=_rows)
