"""Entities over HTTP: get, list, search, counts, export, and the few writes the API allows."""

import csv
import io
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from linkt_pipeline.sandbox.errors import Refusal, invalid, not_found
from linkt_pipeline.sandbox.http.parameters import Query
from linkt_pipeline.sandbox.http.replies import cut, json_reply, page_reply, raw_reply
from linkt_pipeline.sandbox.world.ids import timestamp
from linkt_pipeline.sandbox.world.records import EntityRow
from linkt_pipeline.sandbox.world.world import World

STATUSES = ("new", "reviewed", "passed", "contacted")


def _find(world: World, request: Request) -> EntityRow:
    world.advance()
    row = world.own.entities.get(request.path_params["entity_id"])
    if row is None:
        raise not_found("Entity")
    return row


def get_entity(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/entity/{entity_id}``."""
    return raw_reply(_find(world, request).body)


def _select(world: World, params: QueryParams) -> list[str]:
    """Ids of the entities that the filters of a request let through, newest first."""
    world.advance()
    query = Query(params)
    icps, statuses = query.many("icp_id"), query.many("status", (*STATUSES, "null"))
    sheet, kind, hide = query.text("sheet_id"), query.text("entity_type"), query.flag("hide_duplicates")
    external = query.external()

    def wanted(row: EntityRow) -> bool:
        return (
            (not icps or row.icp_id in icps)
            and sheet in (None, row.sheet_id)
            and kind in (None, row.entity_type)
            and (not statuses or (row.status or "null") in statuses)
            and not (hide and row.hidden_duplicate)
            and external in (None, row.external)
        )

    return world.own.select_entities((icps, sheet, kind, statuses, hide, external), wanted)


def list_entities(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/entity``."""
    page, page_size = Query(request.query_params).page()
    found = _select(world, request.query_params)
    rows = [world.own.entities[key].body for key in cut(found, page, page_size)]
    if fields := request.query_params.get("fields"):
        rows = [_only(body, set(fields.split(","))) for body in rows]
    return page_reply("entities", rows, len(found), page, page_size)


def _only(body: bytes, fields: set[str]) -> bytes:
    entity = orjson.loads(body)
    entity["data"] = {name: value for name, value in entity["data"].items() if name in fields}
    return orjson.dumps(entity)


def search_entities(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/entity/search``: a plain substring search, where the real one is fuzzy."""
    query = Query(request.query_params)
    sought = query.required("q")
    page, page_size = query.page()
    entities = world.own.entities
    found = [key for key in _select(world, request.query_params) if sought.lower() in entities[key].name.lower()]
    rows = [entities[key].body for key in cut(found, page, page_size)]
    return page_reply("entities", rows, len(found), page, page_size, query=sought)


def count_entities(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/entity/counts``."""
    counts: dict[str, int] = {}
    for key in _select(world, request.query_params):
        kind = world.own.entities[key].entity_type
        counts[kind] = counts.get(kind, 0) + 1
    return json_reply({"total": sum(counts.values()), "counts": counts})


def export_entities(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/entity/export``, ``format=separate`` only: values without any id, as the real export."""
    query = Query(request.query_params)
    if query.text("format", ("separate", "combined")) == "combined":
        raise Refusal(400, "The sandbox exports format=separate only")
    bodies = [orjson.loads(world.own.entities[key].body) for key in _select(world, request.query_params)]
    if not bodies:
        raise not_found("Entities")
    names = list(dict.fromkeys(name for entity in bodies for name in entity["data"]))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*names, "status", "created_at", "updated_at"])
    for entity in bodies:
        shown = [_shown(entity["data"].get(name)) for name in names]
        writer.writerow([*shown, entity["status"], entity["created_at"], entity["updated_at"]])
    return Response(text.getvalue(), media_type="text/csv")


def _shown(value: Any) -> Any:
    return value.get("display", value.get("value")) if isinstance(value, dict) else value


def _label(world: World, row: EntityRow, changes: dict[str, Any]) -> None:
    entity = orjson.loads(row.body) | changes
    entity["updated_at"] = timestamp(world.clock())
    row.status, row.body = entity["status"], orjson.dumps(entity)
    world.own.put_entity(row)


def update_entity(world: World, request: Request, body: Any) -> Response:
    """``PUT /v1/entity/{entity_id}``: status and comments; the sandbox changes no relatives."""
    row = _find(world, request)
    changes = {name: body[name] for name in ("status", "comments") if isinstance(body, dict) and name in body}
    if changes.get("status") not in (None, *STATUSES):
        raise invalid("enum", ("body", "status"), f"Input should be one of {STATUSES}", changes["status"])
    _label(world, row, changes)
    world.own.commit()
    return raw_reply(row.body)


def update_entity_statuses(world: World, request: Request, body: Any) -> Response:
    """``PATCH /v1/entity/status/bulk``."""
    ids = body.get("entity_ids") if isinstance(body, dict) else None
    if not isinstance(ids, list) or not 1 <= len(ids) <= 1000:
        raise invalid("too_long", ("body", "entity_ids"), "List should have 1 to 1000 items", ids)
    world.advance()
    known = [world.own.entities[key] for key in ids if key in world.own.entities]
    for row in known:
        _label(world, row, {"status": body.get("status")})
    world.own.commit()
    failed = [key for key in ids if key not in world.own.entities]
    return json_reply({"updated_count": len(known), "failed_ids": failed})


def delete_entity(world: World, request: Request, body: Any) -> Response:
    """``DELETE /v1/entity/{entity_id}``: for good; runs go on naming it."""
    row = _find(world, request)
    world.own.remove("entity", row.id)
    world.own.commit()
    return Response(status_code=204)
