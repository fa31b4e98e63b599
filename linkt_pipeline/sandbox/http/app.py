"""The sandbox as an ASGI application."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from linkt_pipeline.sandbox.endpoints import ENDPOINTS
from linkt_pipeline.sandbox.errors import Refusal
from linkt_pipeline.sandbox.http import control_api, entity_api, file_api, reference_api, run_api, signal_api
from linkt_pipeline.sandbox.http.handling import Gate, Guarded, Handler
from linkt_pipeline.sandbox.http.rate_limit import RateLimit
from linkt_pipeline.sandbox.http.replies import refusal_reply
from linkt_pipeline.sandbox.key import SANDBOX_KEY
from linkt_pipeline.sandbox.world.world import World

_HANDLERS: dict[str, Handler] = {
    "get_run": run_api.get_run,
    "list_runs": run_api.list_runs,
    "run_queue": run_api.run_queue,
    "cancel_run": run_api.cancel_run,
    "delete_run": run_api.delete_run,
    "execute": run_api.execute,
    "active_runs": run_api.active_runs,
    "get_entity": entity_api.get_entity,
    "list_entities": entity_api.list_entities,
    "search_entities": entity_api.search_entities,
    "count_entities": entity_api.count_entities,
    "export_entities": entity_api.export_entities,
    "update_entity": entity_api.update_entity,
    "update_entity_statuses": entity_api.update_entity_statuses,
    "delete_entity": entity_api.delete_entity,
    "get_signal": signal_api.get_signal,
    "list_signals": signal_api.list_signals,
    "get_task": reference_api.getter("task"),
    "list_tasks": reference_api.lister("task", "tasks", "flow_name"),
    "create_task": reference_api.create_task,
    "update_task": reference_api.update_task,
    "delete_task": reference_api.delete_task,
    "get_icp": reference_api.getter("icp"),
    "list_icps": reference_api.lister("icp", "icps", "mode"),
    "get_sheet": reference_api.getter("sheet"),
    "list_sheets": reference_api.lister("sheet", "sheets", "icp_id", "entity_type"),
    "get_schema": reference_api.get_schema,
    "default_schemas": reference_api.get_default_schemas,
    "get_schedule": reference_api.getter("schedule"),
    "list_schedules": reference_api.lister("schedule", "schedules", "task_id", "icp_id", "status"),
    "upload_file": file_api.upload_file,
    "get_file": file_api.get_file,
    "list_files": file_api.list_files,
}
_CONTROLS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/_sandbox/health", control_api.health),
    ("GET", "/_sandbox/faults", control_api.show_faults),
    ("POST", "/_sandbox/faults", control_api.add_fault),
    ("DELETE", "/_sandbox/faults", control_api.clear_faults),
    ("GET", "/_sandbox/requests", control_api.show_requests),
    ("DELETE", "/_sandbox/requests", control_api.clear_requests),
)


def create_app(
    state_dir: Path | None = None,
    *,
    seed: int = 7,
    speed: float = 1.0,
    faults: Sequence[str] = (),
    history_weeks: int = 0,
    requests_per_minute: int | None = None,
    api_key: str | None = SANDBOX_KEY,
    shut_down: Callable[[], None] | None = None,
) -> Starlette:
    """The stand-in for the Linkt API. Its world is at ``app.state.world``.

    Args:
        state_dir: where the world is kept; None keeps it in memory.
        seed: decides every made-up thing; a kept world keeps the seed it began with.
        speed: 2 makes runs take half the time.
        faults: what goes wrong, see :mod:`linkt_pipeline.sandbox.faults`.
        history_weeks: weeks of scheduled runs a new world looks back on.
        requests_per_minute: enforce a rate limit.
        api_key: the key to accept; None accepts any request.
        shut_down: called when ``POST /_sandbox/shutdown`` asks the server to stop.

    Raises:
        FaultSpecError: a fault can't be read.
    """
    world = World(state_dir, seed=seed, speed=speed, faults=faults, history_weeks=history_weeks)
    gate = Gate(world, api_key, RateLimit(requests_per_minute) if requests_per_minute else None)
    routes = [
        Route(endpoint.template, Guarded(gate, endpoint, _HANDLERS[name]), methods=[endpoint.method])
        for name, endpoint in ENDPOINTS.items()
    ]
    controls = [Route(path, _control(gate, handler), methods=[method]) for method, path, handler in _CONTROLS]
    if shut_down is not None:
        controls.append(Route("/_sandbox/shutdown", _control(gate, _stopper(shut_down)), methods=["POST"]))
    app = Starlette(routes=[*routes, *controls], exception_handlers={HTTPException: _http_error})
    app.state.world = world
    return app


def _control(gate: Gate, handler: Handler) -> Callable[[Request], Any]:
    """A sandbox-only endpoint: same key, but no faults, no limit, no log."""

    async def serve(request: Request) -> Response:
        open_to_all = handler is control_api.health
        if not open_to_all and gate.api_key is not None and request.headers.get("x-api-key") != gate.api_key:
            return refusal_reply(Refusal(401, "Missing or invalid API key"))
        try:
            body = await request.json() if await request.body() else None
            return await run_in_threadpool(handler, gate.world, request, body)
        except ValueError:
            return refusal_reply(Refusal(422, "the body is not JSON"))
        except Refusal as refusal:
            return refusal_reply(refusal)

    return serve


def _stopper(shut_down: Callable[[], None]) -> Handler:
    def stop(world: World, request: Request, body: Any) -> Response:
        shut_down()
        return Response(status_code=202)

    return stop


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 registered for this class alone
    return refusal_reply(Refusal(error.status_code, error.detail, error.headers))
