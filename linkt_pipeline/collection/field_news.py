"""Notices data fields that are new in a sheet or have vanished from it, for channels that ask for such alerts.

Linkt has no version of a sheet's fields, and any entity may lack a field. So the entities that have come since the last
look are compared with those before. A field is new if no entity had it before. A field has vanished if half of the
entities had it before and none of at least twenty new ones has it. The last look is kept, so a kill loses no alert.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import orjson

from linkt_pipeline.tasks import AlertEvent
from linkt_pipeline.warehouse.outbox import Alert, tell
from linkt_pipeline.warehouse.state import read_state, write_state
from linkt_pipeline.warehouse.warehouse import Warehouse

_NAME = "fields_seen"
_ENOUGH = 20  # entities without a field, before it has vanished
_USUAL = 0.5  # share of the entities that had it before
_MOST_ENTITIES = 20_000  # the newest, of one look

_COUNTED = f"""
    with recent as (
        select coalesce(sheet_id, icp_id, '') || ' ' || coalesce(entity_type, '') as sheet, entity_type, sheet_name,
            json_keys(data) as fields, fetched_at
        from linkt.entities
        where fetched_at > $1 and json_type(data) = 'OBJECT'
        order by fetched_at desc limit {_MOST_ENTITIES}
    ),
    sizes as (
        select sheet, any_value(entity_type) as entity_type, any_value(sheet_name) as sheet_name, count(*) as entities,
            max(fetched_at) as until
        from recent group by sheet
    ),
    fields as (
        select sheet, field, count(*) as entities
        from (select sheet, unnest(fields) as field from recent) group by sheet, field
    )
    select sheet, any_value(entity_type), any_value(sheet_name), any_value(sizes.entities), max(until),
        map(list(field), list(fields.entities))
    from sizes join fields using (sheet) group by sheet order by sheet
"""  # noqa: S608


@dataclass(frozen=True)
class _Look:
    """The entities of a sheet that have come since the last look: how many, and how many of them have each field."""

    sheet: str
    entity_type: str | None
    sheet_name: str | None
    entities: int
    until: datetime
    fields: Mapping[str, int]


def note_fields(warehouse: Warehouse) -> None:
    """Look at the entities since the last look, and write alerts about fields that are new or have vanished."""
    with warehouse.read() as con:
        seen = _read(con)
        looks = [
            _Look(*row) for row in con.execute(_COUNTED, [seen["until"] or datetime.min.replace(tzinfo=UTC)]).fetchall()
        ]
    if not looks:
        return
    with warehouse.write(news=False) as con:
        if _read(con) != seen:  # another process has just looked
            return
        for look in looks:
            _note(con, seen["sheets"], look)
        until = max(look.until for look in looks).astimezone(UTC).isoformat()
        write_state(con, _NAME, orjson.dumps({"until": until, "sheets": seen["sheets"]}).decode())


def _read(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    stored = read_state(con, _NAME)
    return orjson.loads(stored) if stored else {"until": None, "sheets": {}}


def _note(con: duckdb.DuckDBPyConnection, sheets: dict[str, dict[str, float]], look: _Look) -> None:
    """Write an alert about what is different in a sheet. In a sheet that was never seen before, nothing is."""
    shares = {field: count / look.entities for field, count in look.fields.items()}
    known = sheets.get(look.sheet)
    if known is None:
        sheets[look.sheet] = shares
        return
    is_telling = look.entities >= _ENOUGH
    new = sorted(shares.keys() - known.keys())
    gone = sorted(field for field, share in known.items() if is_telling and share >= _USUAL and field not in shares)
    kept = {field: share for field, share in known.items() if field not in gone}
    sheets[look.sheet] = {**kept, **shares} if is_telling else {**shares, **kept}
    if new or gone:
        facts = {"entity_type": look.entity_type, "sheet": look.sheet_name, "new": new, "vanished": gone}
        tell(con, Alert(AlertEvent.FIELDS, f"{look.sheet}/{look.until.astimezone(UTC).isoformat()}", facts))
