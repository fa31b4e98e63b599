"""Signals over HTTP: get and list."""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from linkt_pipeline.sandbox.errors import not_found
from linkt_pipeline.sandbox.http.parameters import Query
from linkt_pipeline.sandbox.http.replies import cut, page_reply, raw_reply
from linkt_pipeline.sandbox.world.records import SignalRow
from linkt_pipeline.sandbox.world.world import World

_DAY = 86_400.0


def get_signal(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/signal/{signal_id}``."""
    world.advance()
    row = world.own.signals.get(request.path_params["signal_id"])
    if row is None:
        raise not_found("Signal")
    return raw_reply(row.body)


def list_signals(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/signal``: of the last ``days`` (30 unless asked, at most 90)."""
    world.advance()
    query = Query(request.query_params)
    page, page_size = query.page()
    since = time.time() - query.whole("days", 30, ge=1, le=90) * _DAY
    icp, entity, term = query.text("icp_id"), query.text("entity_id"), (query.text("search_term") or "").lower()
    kind, strength = query.text("signal_type"), query.text("strength")
    sort_by = query.text("sort_by", ("created_at", "updated_at", "signal_type", "strength")) or "created_at"
    order = query.order()
    external = query.external()
    carriers = {row.id for row in world.own.entities.values() if external is not None and row.external == external}
    found = [
        row
        for row in world.own.signals.values()
        if row.created >= since
        and icp in (None, row.icp_id)
        and (entity is None or entity in row.entity_ids)
        and (external is None or not carriers.isdisjoint(row.entity_ids))
        and kind in (None, row.signal_type)
        and strength in (None, row.strength)
        and (not term or term in row.summary.lower() or term in (row.signal_type or ""))
    ]

    def place(row: SignalRow) -> tuple[str, float]:
        named = {"signal_type": row.signal_type, "strength": row.strength}.get(sort_by)
        return named or "", row.created

    found.sort(key=place, reverse=order == -1)
    return page_reply("signals", [row.body for row in cut(found, page, page_size)], len(found), page, page_size)
