"""Tasks, ICPs, sheets and schedules over HTTP."""

from collections.abc import Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from linkt_pipeline.sandbox.errors import Refusal, invalid, not_found
from linkt_pipeline.sandbox.http.parameters import Query
from linkt_pipeline.sandbox.http.replies import cut, json_reply, page_reply
from linkt_pipeline.sandbox.world.ids import timestamp
from linkt_pipeline.sandbox.world.records import TERMINAL
from linkt_pipeline.sandbox.world.reference_data import default_schemas
from linkt_pipeline.sandbox.world.world import World

Handler = Callable[[World, Request, Any], Response]
_SHOWN = {"icp": "ICP", "sheet": "Sheet", "task": "Task", "schedule": "Schedule"}
_TASK_FIELDS = ("name", "description", "flow_name", "deployment_name")


def find(world: World, kind: str, key: str) -> dict[str, Any]:
    """A reference object.

    Raises:
        Refusal: 404.
    """
    item = world.own.reference[kind].get(key)
    if item is None:
        raise not_found(_SHOWN[kind])
    return item


def getter(kind: str) -> Handler:
    """``GET /v1/{kind}/{id}``."""

    def get(world: World, request: Request, body: Any) -> Response:
        return json_reply(find(world, kind, request.path_params[f"{kind}_id"]))

    return get


def lister(kind: str, key: str, *filters: str) -> Handler:
    """``GET /v1/{kind}`` with equality filters, newest first."""

    def list_(world: World, request: Request, body: Any) -> Response:
        query = Query(request.query_params)
        page, page_size = query.page()
        wanted = {name: query.text(name) for name in filters}
        items = [
            item
            for item in world.own.reference[kind].values()
            if all(value in (None, item.get(name)) for name, value in wanted.items())
        ]
        sort_by = query.text("sort_by") or "created_at"
        items.sort(key=lambda item: str(item.get(sort_by) or ""), reverse=query.order() == -1)
        rows = [orjson.dumps(item) for item in cut(items, page, page_size)]
        return page_reply(key, rows, len(items), page, page_size)

    return list_


def get_schema(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/sheet/schema/{sheet_id}``."""
    return json_reply(find(world, "sheet", request.path_params["sheet_id"])["entity_schema"])


def get_default_schemas(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/sheet/schema/default``."""
    return json_reply({"schemas": default_schemas()})


def create_task(world: World, request: Request, body: Any) -> Response:
    """``POST /v1/task``."""
    fields = body if isinstance(body, dict) else {}
    for name in _TASK_FIELDS:
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise invalid("missing", ("body", name), "Field required", fields)
    now = timestamp(world.clock())
    task = {
        "id": world.own.ids.mint(world.clock()),
        **{name: fields[name] for name in _TASK_FIELDS},
        "icp_id": fields.get("icp_id"),
        "prompt": fields.get("prompt"),
        "task_config": fields.get("task_config"),
        "created_at": now,
        "updated_at": now,
    }
    world.own.put_reference("task", task)
    world.own.commit()
    return json_reply(task)


def update_task(world: World, request: Request, body: Any) -> Response:
    """``PUT /v1/task/{task_id}``: what is not named stays."""
    task = find(world, "task", request.path_params["task_id"])
    fields = body if isinstance(body, dict) else {}
    changes = {name: fields[name] for name in ("name", "description", "prompt", "task_config") if name in fields}
    world.own.put_reference("task", {**task, **changes, "updated_at": timestamp(world.clock())})
    world.own.commit()
    return json_reply(world.own.reference["task"][task["id"]])


def delete_task(world: World, request: Request, body: Any) -> Response:
    """``DELETE /v1/task/{task_id}``: refused while a run of it is active."""
    task = find(world, "task", request.path_params["task_id"])
    if any(run.task_id == task["id"] and run.status not in TERMINAL for run in world.runs.values()):
        raise Refusal(409, "Task has active runs")
    world.own.remove("task", task["id"])
    world.own.commit()
    return Response(status_code=204)
