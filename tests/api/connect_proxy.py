"""A proxy on loopback that opens tunnels, and keeps every byte that a client sends it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class ConnectProxy:
    """What a proxy saw: the head of each CONNECT, and the bytes that went through its tunnels."""

    url: str = ""
    heads: list[bytes] = field(default_factory=list)
    tunnelled: bytearray = field(default_factory=bytearray)


@asynccontextmanager
async def tunnelling(
    upstream: str, tls: ssl.SSLContext | None = None, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
) -> AsyncIterator[ConnectProxy]:
    """A proxy whose tunnels all end at ``upstream``, whatever host the client asks for."""
    proxy = ConnectProxy()
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            proxy.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
            if answer.split()[1] == b"200":
                await asyncio.gather(*_pumps(reader, writer, await _connect(upstream), proxy.tunnelled))
        writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    proxy.url = f"{'https' if tls else 'http'}://localhost:{listener.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        listener.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port)


def _pumps(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    seen: bytearray,
) -> tuple:
    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, record: bytearray) -> None:
        try:
            while chunk := await source.read(65_536):
                record += chunk
                target.write(chunk)
                await target.drain()
        finally:
            target.close()

    return pump(reader, upstream[1], seen), pump(upstream[0], writer, bytearray())
