"""The sandbox's own endpoints, under ``/_sandbox``: no part of the Linkt API, for tests and for the command."""

import os
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from linkt_pipeline.sandbox.errors import FaultSpecError, Refusal
from linkt_pipeline.sandbox.faults import parse_fault
from linkt_pipeline.sandbox.http.replies import json_reply
from linkt_pipeline.sandbox.world.world import World


def health(world: World, request: Request, body: Any) -> Response:
    """``GET /_sandbox/health``: who answers on this port; asking keeps it alive."""
    world.requests.touch()
    return json_reply({"sandbox": True, "pid": os.getpid(), "state_dir": world.state_dir and str(world.state_dir)})


def show_faults(world: World, request: Request, body: Any) -> Response:
    """``GET /_sandbox/faults``: every fault added so far, with how often it acted."""
    return json_reply({"faults": [asdict(fault) for fault in world.faults.all()]})


def add_fault(world: World, request: Request, body: Any) -> Response:
    """``POST /_sandbox/faults`` with ``{"fault": "lost_reply*1"}``."""
    try:
        fault = world.faults.add(parse_fault(str(body["fault"])))
    except (TypeError, KeyError):
        raise Refusal(422, 'expected a body such as {"fault": "lost_reply"}') from None
    except FaultSpecError as error:
        raise Refusal(422, str(error)) from None
    return json_reply(asdict(fault), 201)


def clear_faults(world: World, request: Request, body: Any) -> Response:
    """``DELETE /_sandbox/faults``."""
    world.faults.clear()
    return Response(status_code=204)


def show_requests(world: World, request: Request, body: Any) -> Response:
    """``GET /_sandbox/requests``: counts by endpoint, the latest requests, and runs by task."""
    runs: dict[str, int] = {}
    for run in world.runs.values():
        runs[run.task_id or ""] = runs.get(run.task_id or "", 0) + 1
    latest = [asdict(entry) for entry in world.requests.entries()[-500:]]
    return json_reply({"counts": world.requests.counts(), "runs": runs, "requests": latest})


def clear_requests(world: World, request: Request, body: Any) -> Response:
    """``DELETE /_sandbox/requests``."""
    world.requests.clear()
    return Response(status_code=204)
