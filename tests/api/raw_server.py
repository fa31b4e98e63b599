"""A server on loopback that counts what arrives and answers with any bytes, proper or not."""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import httpx
from pydantic import SecretStr

from linkt_pipeline.api import LinktClient

KEY = "sk-live-0123456789abcdef"
ID = "69d4d6fc5c41d0beef002a31"
QUICK = httpx.Timeout(connect=0.3, read=0.3, write=0.3, pool=5.0)


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query)

    @property
    def json(self) -> object:
        return json.loads(self.body)


Behaviour = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    server = RawServer()
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        handlers.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                server.requests.append(request := Request(method, target, headers, body))
                await behaviour(request, writer)
                await writer.drain()
        writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


def answer(body: bytes | str = b"", status: int = 200, **headers: str) -> bytes:
    raw = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(raw)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


def always(raw: bytes) -> Behaviour:
    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    return behave


def in_turn(*answers: bytes) -> Behaviour:
    """The n-th request gets the n-th answer; the last one repeats."""
    left = list(answers)

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return behave


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def client_for(server: RawServer | str, **options: object) -> LinktClient:
    url = server if isinstance(server, str) else server.url
    return LinktClient(url, SecretStr(KEY), **{"timeouts": QUICK, "retry_for": None, **options})


@contextmanager
def never_accepting() -> Iterator[str]:
    """The address of a listener whose queue is full, so that the kernel drops every further SYN: no TCP handshake ends.

    Raises:
        TimeoutError: connections are still accepted; this system does not drop them.
    """
    with ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(16):
            caller = open_sockets.enter_context(socket.socket())
            caller.settimeout(0.1)
            try:
                caller.connect(address)
            except TimeoutError:
                yield f"http://127.0.0.1:{address[1]}"
                return
        raise TimeoutError("the queue of a listener with backlog 0 takes any number of connections here")
