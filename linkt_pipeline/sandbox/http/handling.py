"""One request from arrival to the last byte: key, rate limit, faults, work, faults again, log.

Resets and cut bodies need the TCP connection itself, which :mod:`linkt_pipeline.sandbox.process.server` puts into
the scope.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from linkt_pipeline.sandbox.endpoints import Endpoint
from linkt_pipeline.sandbox.errors import Refusal, invalid
from linkt_pipeline.sandbox.faults import Fault, Stage
from linkt_pipeline.sandbox.http.file_api import read_form
from linkt_pipeline.sandbox.http.rate_limit import RateLimit
from linkt_pipeline.sandbox.http.replies import json_reply, refusal_reply
from linkt_pipeline.sandbox.request_log import RequestEntry
from linkt_pipeline.sandbox.world.world import World

Handler = Callable[[World, Request, Any], Response]
_GATEWAY_PAGE = (
    "<html><head><title>502 Bad Gateway</title></head>"
    "<body><center><h1>502 Bad Gateway</h1></center><hr><center>edge</center></body></html>"
)


@dataclass
class Reply:
    """A response and how it reaches the client: after ``delay`` seconds, in full or in part, or as a reset."""

    response: Response
    delay: float = 0.0
    share: float = 1.0
    reset: bool = False


@dataclass(frozen=True)
class Gate:
    """What every endpoint shares: the world, the key that opens it and the rate limit."""

    world: World
    api_key: str | None
    rate_limit: RateLimit | None


class Guarded:
    """An endpoint as an ASGI application."""

    def __init__(self, gate: Gate, endpoint: Endpoint, handler: Handler) -> None:
        self._gate = gate
        self._endpoint = endpoint
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        arrived = time.time()
        request = Request(scope, receive)
        try:
            reply = await self._answer(request)
        except ClientDisconnect:
            return
        if reply.delay:
            await asyncio.sleep(reply.delay)
        # Logged before the last byte: a client that has its answer finds its request in the log.
        self._gate.world.requests.add(
            RequestEntry(
                endpoint=self._endpoint.name,
                label=self._endpoint.label,
                path=request.url.path,
                query=request.url.query,
                status=None if reply.reset else reply.response.status_code,
                at=arrived,
                seconds=time.time() - arrived,
            )
        )
        if not reply.reset and reply.share >= 1:
            await reply.response(scope, receive, send)
            return
        if reply.reset:
            reset_connection(scope)
        else:
            await _send_part(reply, scope, send)
        while (await receive())["type"] != "http.disconnect":  # or uvicorn reports a reply that never came
            pass

    async def _answer(self, request: Request) -> Reply:
        gate, name = self._gate, self._endpoint.name
        if gate.api_key is not None and request.headers.get("x-api-key") != gate.api_key:
            return Reply(refusal_reply(Refusal(401, "Missing or invalid API key")))
        limit_headers: dict[str, str] = {}
        if gate.rate_limit is not None:
            try:
                limit_headers = gate.rate_limit.admit()
            except Refusal as refusal:
                return Reply(refusal_reply(refusal))
        resource = next(iter(request.path_params.values()), None)
        for fault in gate.world.faults.take(Stage.BEFORE, name, resource):
            return _instead_of_work(fault)
        for _ in gate.world.faults.take(Stage.REQUEST, name, resource):
            request = _asking_for_the_first_page(request)
        try:
            body = await _read_body(request)
            with gate.world.lock:
                response = self._handler(gate.world, request, body)
        except Refusal as refusal:
            response = refusal_reply(refusal)
        reply = Reply(response)
        for fault in gate.world.faults.take(Stage.AFTER, name, resource):
            _spoil(reply, fault)
        for header, value in limit_headers.items():
            reply.response.headers[header] = value
        return reply


async def _read_body(request: Request) -> Any:
    if request.method not in ("POST", "PUT", "PATCH"):
        return None
    text = await request.body()
    if not text:
        return None
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        return read_form(content_type, text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise invalid("json_invalid", ("body", 0), "JSON decode error", {}, error=str(error)) from None


def _asking_for_the_first_page(request: Request) -> Request:
    kept = [(key, value) for key, value in request.query_params.multi_items() if key != "page"]
    return Request({**request.scope, "query_string": urlencode(kept).encode()}, request.receive)


def _instead_of_work(fault: Fault) -> Reply:
    match fault.name:
        case "reset":
            return Reply(Response(), reset=True)
        case "hang":
            return Reply(Response(), delay=fault.number(30), reset=True)
        case "missing":
            return Reply(refusal_reply(Refusal(404, "Not found")))
        case "http_429":
            return Reply(refusal_reply(Refusal(429, "Rate limit exceeded", _retry_after(fault.arg))))
        case "http_503":
            return Reply(Response("", 503, _retry_after(fault.arg)))
        case "http_502":
            return Reply(Response(_GATEWAY_PAGE, 502, media_type="text/html"))
    return _error(int(fault.name.removeprefix("http_")), fault.arg)


def _error(status: int, detail: str | None) -> Reply:
    if status == 500 and detail is None:
        return Reply(Response("Internal Server Error", 500, media_type="text/plain"))
    return Reply(refusal_reply(Refusal(status, detail or f"Error {status} (on request)")))


def _retry_after(arg: str | None) -> dict[str, str]:
    """Seconds, or an HTTP date so many seconds away, or nothing."""
    if arg == "none":
        return {}
    if arg and arg.startswith("date:"):
        return {"retry-after": formatdate(time.time() + float(arg.removeprefix("date:")), usegmt=True)}
    return {"retry-after": arg or "1"}


def _spoil(reply: Reply, fault: Fault) -> None:
    """What a fault does to a reply whose work is done."""
    match fault.name:
        case "drifting_total":
            reply.response = _with_total(reply.response, int(fault.number(3)))
        case "lost_reply":
            reply.reset = True
        case "late_reply":
            reply.delay += fault.number(5)
        case "cut_body":
            reply.share = min(fault.number(0.5), 0.99)
        case "error_after_work":
            reply.response = _error(int(fault.number(500)), None).response
        case "malformed_body":
            reply.response = _malformed(reply.response, fault.arg or "truncated")


def _with_total(response: Response, more: int) -> Response:
    value = orjson.loads(bytes(response.body) or b"null")
    if not isinstance(value, dict) or "total" not in value:
        return response
    return json_reply(value | {"total": value["total"] + more}, response.status_code)


def _malformed(response: Response, how: str) -> Response:
    body = bytes(response.body)
    match how:
        case "empty":
            return Response(b"", media_type="application/json")
        case "html":
            return Response("<html>Welcome</html>", media_type="text/html")
        case "list":
            return json_reply([])
        case "missing_id" | "wrong_type":
            value = orjson.loads(body)
            if how == "missing_id":
                for key in ("id", "run_id", "file_id"):
                    value.pop(key, None)
            else:
                value |= {"data": "not an object", "output": 7, "entity_ids": "none", "flow_run_id": []}
            return json_reply(value)
    return Response(body[: len(body) // 2], media_type="application/json")


def reset_connection(scope: Scope) -> None:
    """End the connection with a TCP reset: no reply, no goodbye."""
    transport = scope["state"]["transport"]
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _send_part(reply: Reply, scope: Scope, send: Send) -> None:
    """Announce the whole body, send a share of it, and close."""
    response, body = reply.response, bytes(reply.response.body)
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    part = body[: max(1, int(len(body) * reply.share))]
    await send({"type": "http.response.body", "body": part, "more_body": True})
    scope["state"]["transport"].close()
