"""marts.signal_feed: all signals, with the companies they speak of."""

from collections.abc import Collection, Iterator
from typing import Any

from linkt_pipeline.audit.activity import reached
from linkt_pipeline.audit.landed import Body
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.moments import monday_of
from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.wire import amount, text, texts
from linkt_pipeline.audit.world import World, moment
from linkt_pipeline.plain_text import trimmed, word

_LEVELS = {
    "low": "low",
    "weak": "low",
    "medium": "medium",
    "moderate": "medium",
    "high": "high",
    "strong": "high",
}


def signal_columns(world: World, signal: Body) -> dict[str, Any]:
    """The columns that come from a signal alone."""
    body = signal.body
    icp_id = text(body, "icp_id")
    strength = text(body, "strength")
    return {
        "signal_id": signal.id,
        "detected_at": moment(signal, "created_at"),
        "signal_type": text(body, "signal_type"),
        "signal_label": trimmed(text(body, "signal_display_name")) or UNSURE,
        "strength": strength,
        "strength_level": _LEVELS.get(word(strength) or ""),
        "score": amount(body.get("score"), -1e12, 1e12),
        "summary": text(body, "summary"),
        "icp_id": icp_id,
        "icp_name": world.icp_names.get(icp_id) if icp_id else None,
        "metadata": body.get("metadata"),
        "references": texts(body.get("references")),
        "fetched_at": signal.fetched_at,
    }


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    signals = world.signals(ids)
    speaks_of = {signal.id: reached(world.ties, signal) for signal in signals.values()}
    companies = world.companies(set().union(*speaks_of.values()))
    for signal in signals.values():
        columns = signal_columns(world, signal)
        landed = speaks_of[signal.id] & companies.keys()
        noticed_at = columns["detected_at"]
        yield {
            **columns,
            "detected_week": None if noticed_at is None else monday_of(noticed_at, world.timezone),
            "company_count": len(landed),
            "company_names": _names([companies[company]["name"] for company in landed]),
            "entity_count": len(set(texts(signal.body.get("entity_ids")))),
        }


def _names(names: list[Any]) -> Any:
    if UNSURE in names:
        return UNSURE
    return ", ".join(sorted(filter(None, names))) or None


SIGNAL_FEED = Mart(
    name="signal_feed", key=("signal_id",), rows=_rows, batch="signal_id", ids=lambda world: world.signal_ids
)
