"""Runs over HTTP: execute, get, list, cancel, delete, queue."""

import time
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from linkt_pipeline.sandbox.errors import invalid, not_found
from linkt_pipeline.sandbox.http.parameters import Query
from linkt_pipeline.sandbox.http.replies import cut, json_reply, page_reply
from linkt_pipeline.sandbox.world.ids import flow_run_id, parse_timestamp, timestamp
from linkt_pipeline.sandbox.world.records import RunRecord
from linkt_pipeline.sandbox.world.world import World

STATUSES = ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELED", "CRASHED", "PAUSED")
ACTIVE = ("SCHEDULED", "PENDING", "RUNNING")
BOUNDS = ("created_after", "created_before", "updated_after", "updated_before")
QUEUE_STATES = ("queued", "processing", "completed", "discarded")
QUEUE_KEPT_SECONDS = 600.0


def execute(world: World, request: Request, body: Any) -> Response:
    """``POST /v1/task/{task_id}/execute``: every call starts another run."""
    fields = {} if body is None else body
    if not isinstance(fields, dict):
        raise invalid("model_attributes_type", ("body",), "Input should be a valid dictionary", fields)
    icp_id, parameters = fields.get("icp_id"), fields.get("parameters")
    if icp_id is not None and not isinstance(icp_id, str):
        raise invalid("string_type", ("body", "icp_id"), "Input should be a valid string", icp_id)
    if parameters is not None and not isinstance(parameters, dict):
        raise invalid("dict_type", ("body", "parameters"), "Input should be a valid dictionary", parameters)
    run = world.execute(request.path_params["task_id"], icp_id, parameters)
    return json_reply({"run_id": run.id, "flow_run_id": flow_run_id(run.id), "status": run.status})


def get_run(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/run/{run_id}``."""
    return json_reply(world.find_run(request.path_params["run_id"]).body())


def list_runs(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/run``: filters are inclusive, newest first unless asked otherwise."""
    world.advance()
    query = Query(request.query_params)
    page, page_size = query.page()
    wanted = {name: query.text(name) for name in ("task_id", "icp_id", "task_type")}
    wanted["status"] = query.text("status", STATUSES)
    bounds = {name: at for name in BOUNDS if (at := query.moment(name)) is not None}
    sort_by = query.text("sort_by", ("created_at", "updated_at", "agent_type", "status", "task_type")) or "created_at"
    order = query.order()
    if query.text("agent_id") or query.text("agent_type") == "play":
        return page_reply("runs", [], 0, page, page_size)  # legacy runs, of which the sandbox has none
    lag, stale = world.faults.active("lagging_list"), world.faults.active("stale_list")
    now, hidden_after = time.time(), time.time() - (lag.number(5) if lag else 0.0)
    shown: list[tuple[RunRecord, dict[str, Any]]] = []
    for run in world.own.runs.values():
        status = run.status
        if stale and run.terminal and now - (run.ended or run.updated) < stale.number(5):
            status = "RUNNING"
        facts = {"task_id": run.task_id, "icp_id": run.icp_id, "task_type": run.task_type, "status": status}
        if run.started > hidden_after and lag:
            continue
        if all(value in (None, facts[name]) for name, value in wanted.items()) and _within(run, bounds):
            shown.append((run, {"status": status, "output": None} if status != run.status else {}))
    keys = {"created_at": lambda r: r.started, "updated_at": lambda r: r.updated, "status": lambda r: r.status}
    shown.sort(key=lambda pair: (keys.get(sort_by, keys["created_at"])(pair[0]), pair[0].number), reverse=order == -1)
    rows = [orjson.dumps(run.body() | changes) for run, changes in cut(shown, page, page_size)]
    return page_reply("runs", rows, len(shown), page, page_size)


def _within(run: RunRecord, bounds: dict[str, float]) -> bool:
    for name, bound in bounds.items():
        what, side = name.split("_")
        at = (run.started if what == "created" else run.updated) + run.skew
        # As shown, to the millisecond: a client that sends back a time it was given must find the run.
        shown = parse_timestamp(timestamp(at))
        if shown < bound if side == "after" else shown > bound:
            return False
    return True


def cancel_run(world: World, request: Request, body: Any) -> Response:
    """``POST /v1/run/{run_id}/cancel``: 204, also for a run that has ended already."""
    world.cancel(request.path_params["run_id"])
    return Response(status_code=204)


def delete_run(world: World, request: Request, body: Any) -> Response:
    """``DELETE /v1/run/{run_id}``: the record goes, its entities and signals stay."""
    run = world.find_run(request.path_params["run_id"])
    world.own.remove("run", run.id)
    world.own.commit()
    return Response(status_code=204)


def run_queue(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/run/{run_id}/queue``: what the run is looking at; gone ten minutes after its end."""
    run = world.find_run(request.path_params["run_id"])
    query = Query(request.query_params)
    offset, limit = query.whole("offset", 0, ge=0), query.whole("limit", 20, ge=1, le=100)
    state, history = query.text("state", QUEUE_STATES), query.flag("include_history")
    envelope = {"offset": offset, "limit": limit, "include_history": history}
    if run.ended is not None and time.time() - run.ended > QUEUE_KEPT_SECONDS:
        gone = {"queue_data_available": False, "queue_data_message": "Queue data is no longer held for this run"}
        return json_reply({"entities": [], "stats": {}, "total": 0, "state_counts": None, **envelope, **gone})
    rows = world.queue_rows(run)
    counts = {name: sum(row["state"] == name for row in rows) for name in QUEUE_STATES}
    current = (state,) if state else QUEUE_STATES if history else ("queued", "processing")
    listed = [_queue_item(run, row, history) for row in rows if row["state"] in current][offset : offset + limit]
    return json_reply(
        {
            "entities": listed,
            "stats": counts,
            "total": len(listed),  # what was returned, not what matched: so the vendor documents it
            "state_counts": counts,
            **envelope,
            "queue_data_available": True,
            "queue_data_message": None,
        }
    )


def _queue_item(run: RunRecord, row: dict[str, Any], history: bool) -> dict[str, Any]:
    candidate, state = row["candidate"], row["state"]
    reached = [("queued", 0.0), ("processing", candidate.started), (state, candidate.ended)]
    count = {"queued": 1, "processing": 2}.get(state, 3)
    item = {
        "name": candidate.name,
        "state": state,
        "state_history": [
            {"state": name, "at": timestamp(run.started + offset + run.skew)} for name, offset in reached[:count]
        ]
        if history
        else [],
    }
    if state == "discarded":
        item |= {"reason": candidate.reason, "stage_metadata": {"reason": candidate.reason}}
    elif state != "queued":
        item["justification"] = "Matches the criteria of the ICP"
    return item


def active_runs(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/icp/{icp_id}/active_runs``: not the paused ones."""
    world.advance()
    icp_id = request.path_params["icp_id"]
    if icp_id not in world.own.reference["icp"]:
        raise not_found("ICP")
    runs = [
        {
            "id": run.id,
            "agent_type": "task",
            "task_type": run.task_type,
            "created_at": timestamp(run.started + run.skew),
        }
        for run in world.own.runs.values()
        if run.icp_id == icp_id and run.status in ACTIVE
    ]
    return json_reply({"runs": runs})
