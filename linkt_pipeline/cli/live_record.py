"""A record of a CRM as Linkt itself knows it now."""

from typing import TYPE_CHECKING, Any

import orjson

from linkt_pipeline.cli.record import Record, Row
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.plain_text import trimmed

if TYPE_CHECKING:
    from linkt_pipeline.api import Entity, LinktClient, Signal

_MOST_DAYS = 90  # further back Linkt lists no signals


class FilterIgnoredError(LinktPipelineError):
    """The API answered with entities that were not asked for."""

    def __init__(self, external_id: str) -> None:
        super().__init__(
            f"asked for the external id {external_id!r}, Linkt listed entities that do not carry it: this host seems "
            "to ignore the filter. Leave out --live to ask the published snapshot"
        )


async def ask_for_record(client: "LinktClient", external_id: str, source: str | None) -> Record:
    """Ask the API for the entities that carry an external id and for the signals that name one of them.

    Args:
        client: the API.
        external_id: the record's id, trimmed.
        source: the system; None leaves it to the API, which takes ``salesforce``.

    Raises:
        FilterIgnoredError: the list is about other entities too.
    """
    entities: list[Entity] = []
    async for entity in client.list_entities(external_id=external_id, external_source=source):
        if trimmed(entity.external_id) != external_id:
            raise FilterIgnoredError(external_id)
        entities.append(entity)
    signals: list[Signal] = []
    if entities:
        asked = client.list_signals(
            external_id=external_id, external_source=source, days=_MOST_DAYS, sort_by="created_at", order=-1
        )
        signals = [signal async for signal in asked]
    return Record(external_id, source, [], list(map(_entity_row, entities)), list(map(_signal_row, signals)))


def _entity_row(entity: "Entity") -> Row:
    fields = {name: _shown(entity.data.get(name)) for name in ("name", "title", "email", "mobile_phone")}
    return {
        "external_source": entity.external_source,
        "external_id": entity.external_id,
        "carries_id": True,
        "entity_id": entity.id,
        "entity_type": entity.entity_type,
        **fields,
        "icp_id": entity.icp_id,
        "status": entity.status,
        "updated_at": entity.updated_at,
        "payload": orjson.Fragment(entity.payload),
    }


def _signal_row(signal: "Signal") -> Row:
    return {
        "signal_id": signal.id,
        "detected_at": signal.created_at,
        "signal_type": signal.signal_type,
        "signal_label": signal.signal_display_name or signal.signal_type,
        "strength": signal.strength,
        "score": signal.score,
        "summary": signal.summary,
        "payload": orjson.Fragment(signal.payload),
    }


def _shown(attribute: Any) -> str | None:
    """A field as Linkt displays it, else its value where that is a text."""
    if isinstance(attribute, dict):
        attribute = attribute.get("display") or attribute.get("value")
    return attribute if isinstance(attribute, str) else None
