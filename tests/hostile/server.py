"""The sandbox behind hooks that may put any bytes in place of its answers."""

import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import compile_path

from linkt_pipeline.sandbox import SANDBOX_KEY, Sandbox
from linkt_pipeline.sandbox.endpoints import ENDPOINTS
from linkt_pipeline.sandbox.http.app import create_app
from linkt_pipeline.sandbox.process.server import HOST, bind, make_server

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class Answer:
    """What goes over the wire, whatever it is."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Before = Callable[[str], Answer | None]
"""Given the path; an answer keeps the work from being done."""
After = Callable[[Answer], Answer]
"""Given the true answer, after the work is done."""


@dataclass
class Hooks:
    """What is done to the answers of each endpoint, by the names of :mod:`linkt_pipeline.sandbox.endpoints`."""

    before: dict[str, Before] = field(default_factory=dict)
    after: dict[str, After] = field(default_factory=dict)

    def clear(self) -> None:
        """From now on the sandbox answers for itself."""
        self.before.clear()
        self.after.clear()


_ROUTES = [(name, each.method, compile_path(each.template)[0]) for name, each in ENDPOINTS.items()]


def endpoint_of(method: str, path: str) -> str | None:
    """The name of the endpoint that a request is for."""
    return next((name for name, verb, pattern in _ROUTES if verb == method and pattern.match(path)), None)


class _Hooked:
    """An ASGI application around another one."""

    def __init__(self, app: Any, hooks: Hooks) -> None:
        self.app, self.hooks = app, hooks

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        name = endpoint_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        before, after = self.hooks.before.get(name or ""), self.hooks.after.get(name or "")
        if before is not None and (answer := before(scope["path"])) is not None:
            await _send(send, answer)
        elif after is None:
            await self.app(scope, receive, send)
        else:
            await _send(send, after(await _answer_of(self.app, scope, receive)))


async def _answer_of(app: Any, scope: Message, receive: Receive) -> Answer:
    started: Message = {}
    body = bytearray()

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, keep)
    kept = tuple((name.decode(), value.decode()) for name, value in started["headers"] if name != b"content-length")
    return Answer(bytes(body), started["status"], kept)


async def _send(send: Send, answer: Answer) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


@contextlib.contextmanager
def hostile_sandbox(**options: Any) -> Iterator[tuple[Sandbox, Hooks]]:
    """A sandbox and the hooks around it, for the length of a ``with`` block; options as ``create_app`` takes them."""
    app, hooks = create_app(None, **options), Hooks()
    with bind(0) as listener:
        server = make_server(_Hooked(app, hooks))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="hostile", daemon=True)
        thread.start()
        try:
            yield Sandbox(f"http://{HOST}:{listener.getsockname()[1]}", SANDBOX_KEY, app.state.world), hooks
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)
            app.state.world.close()
