"""A reply's body, read with a bound on what it takes in memory.

A few kilobytes of gzip can stand for gigabytes, so a body is unpacked here, piece by piece, and reading stops where the
limit is reached. Both ways of making a request (through httpx and past it) read their bodies here.
"""

import zlib
from collections.abc import AsyncIterable
from dataclasses import dataclass, field

DEFAULT_MAX_BODY = 8 * 2**20
_PIECE = 64 * 2**10  # unpacked at once
_PACKED_PIECE = 4 * 2**10  # what zlib does not take of it is copied each time
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_RAW_DEFLATE = -zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"


class UnreadableEncodingError(Exception):
    """A body is compressed in a way that was not asked for, or its compressed text is damaged or cut."""


@dataclass(frozen=True, slots=True)
class Body:
    """What was read.

    Attributes:
        content: the unpacked bytes, not more than the limit.
        is_whole: False if the body goes on beyond the limit; then the connection can't be used again.
    """

    content: bytes = field(repr=False)
    is_whole: bool = True


async def read_body(chunks: AsyncIterable[bytes], encoding: str, limit: int) -> Body:
    """Read a body up to a limit.

    Args:
        chunks: the bytes as they come over the wire.
        encoding: the header ``Content-Encoding``, empty for none.
        limit: largest body in bytes, unpacked.

    Raises:
        UnreadableEncodingError: it can't be unpacked.
    """
    unpacker = _unpacker(encoding)
    content = bytearray()
    async for chunk in chunks:
        if unpacker is None:
            content += chunk[: limit + 1 - len(content)]
        else:
            unpacker.unpack(chunk, content, limit)
        if len(content) > limit:
            return Body(bytes(content[:limit]), is_whole=False)
    if unpacker is not None:
        unpacker.require_end()
    return Body(bytes(content))


def _unpacker(encoding: str) -> "_Unpacker | None":
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return _Unpacker()
        case other:
            raise UnreadableEncodingError(f"the body is encoded as {other[:40]!r}, which was not asked for")


class _Unpacker:
    """Unpacks gzip, of one member or several, and both things that servers call deflate."""

    def __init__(self) -> None:
        self._started = False
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)

    def unpack(self, chunk: bytes, content: bytearray, limit: int) -> None:
        """Append what a chunk holds, up to one byte more than the limit."""
        for start in range(0, len(chunk), _PACKED_PIECE):
            if len(content) > limit:
                return
            self._unpack(chunk[start : start + _PACKED_PIECE], content, limit)

    def _unpack(self, packed: bytes, content: bytearray, limit: int) -> None:
        more_inside = False  # a full piece: zlib may have taken everything in and still hold some of its text
        while (packed or more_inside) and len(content) <= limit:
            if self._stream.eof:
                if not packed.startswith(_GZIP_MAGIC[: len(packed)]):
                    return  # padding after the last member
                self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
            most = min(_PIECE, limit + 1 - len(content))
            piece = self._piece(packed, most)
            content += piece
            packed = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            more_inside = len(piece) == most and not self._stream.eof

    def require_end(self) -> None:
        """Refuse a body that was cut on its way: it must not pass for a shorter one."""
        if self._started and not self._stream.eof:
            raise UnreadableEncodingError("the compressed body ends too early")

    def _piece(self, chunk: bytes, most: int) -> bytes:
        first, self._started = not self._started, True
        try:
            return self._stream.decompress(chunk, most)
        except zlib.error as error:
            if not first or chunk.startswith(_GZIP_MAGIC):
                raise UnreadableEncodingError(f"the compressed body is damaged: {error}") from None
            self._stream = zlib.decompressobj(_RAW_DEFLATE)  # some servers leave deflate's header out
            return self._piece(chunk, most)
