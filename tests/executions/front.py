"""A server before the sandbox, as gateways are: it passes requests on, or answers in its own words."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx

from tests.api.raw_server import RawServer, Request, answer, serving

from .scene import Scene


class Forward(Protocol):
    """Lets the sandbox answer a request, or the same request for another path."""

    async def __call__(self, target: str | None = None) -> bytes: ...


Rule = Callable[[Request, Forward], Awaitable[bytes]]


@asynccontextmanager
async def in_front(scene: Scene, rule: Rule) -> AsyncIterator[RawServer]:
    """Serve what a rule makes of each request; ``await forward()`` lets the sandbox work and gives its answer."""
    async with httpx.AsyncClient(base_url=scene.sandbox.url, timeout=10) as sandbox:

        async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
            async def forward(target: str | None = None) -> bytes:
                headers = {"x-api-key": request.headers.get("x-api-key", ""), "content-type": "application/json"}
                path = target or request.target
                reply = await sandbox.request(request.method, path, content=request.body, headers=headers)
                kept = {
                    name: reply.headers[name]
                    for name in ("content-type", "date", "retry-after")
                    if name in reply.headers
                }
                return answer(reply.content, reply.status_code, **kept)

            writer.write(await rule(request, forward))

        async with serving(behave) as server:
            yield server


def is_start(request: Request) -> bool:
    """Whether this request costs credits."""
    return request.method == "POST" and request.path.endswith("/execute")


def first_start(reply: bytes, *, works: bool) -> Rule:
    """The first start request gets this reply, whether or not it works; all else passes."""
    left = [reply]

    async def rule(request: Request, forward: Forward) -> bytes:
        if not is_start(request) or not left:
            return await forward()
        if works:
            await forward()
        return left.pop()

    return rule


def redated(raw: bytes, date: str | None) -> bytes:
    """A reply with another header ``Date``, or with none."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"date:")]
    return b"\r\n".join([*lines, *([b"date: " + date.encode()] if date else []), b"", body])


def changed(raw: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A reply whose JSON object was changed in place."""
    head, _, body = raw.partition(b"\r\n\r\n")
    value = json.loads(body)
    change(value)
    return answer(json.dumps(value), int(head.split(b" ")[1]), content_type="application/json")
