"""How much of a body is read: unpacked within a bound, whichever way it is packed and whichever way it is asked for."""

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkt_pipeline.api import BodyTooLargeError, LinktClient, MalformedBodyError, ReplyLostError
from linkt_pipeline.api.body import Body, UnreadableEncodingError, read_body

from .raw_server import ID, KEY, always, answer, client_for, serving

MB = 2**20


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {
    "": bytes,
    "gzip": gzip.compress,
    "x-gzip": lambda data: gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :]),
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
}


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(data: bytes, encoding: str, limit: int, piece: int = 16_384) -> Body:
    return asyncio.run(read_body(in_pieces(data, piece), encoding, limit))


@given(st.binary(max_size=300), st.sampled_from(sorted(PACKED)), st.integers(2, 400), st.integers(0, 400))
@settings(max_examples=300, deadline=None)
def test_a_body_is_read_whole_up_to_the_limit_and_never_beyond(data, encoding, piece, limit):
    body = read(PACKED[encoding](data), encoding, limit, piece)

    assert body.content == data[:limit]
    assert body.is_whole is (len(data) <= limit)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "Deflate"])
def test_a_body_that_inflates_a_thousandfold_costs_its_limit_in_memory(encoding):
    packer = zlib.compressobj(wbits={"gzip": 31, "deflate": 15, "Deflate": -15}[encoding])
    bomb = b"".join(packer.compress(bytes(MB)) for _ in range(500)) + packer.flush()
    tracemalloc.start()

    body = read(bomb, encoding, 8 * MB, piece=len(bomb))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not body.is_whole
    assert len(body.content) == 8 * MB
    assert peak < 26 * MB  # of 500 unpacked: the limit, its copy, and room for growing


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_packed_body_that_is_cut_is_no_shorter_body(cut):
    with pytest.raises(UnreadableEncodingError):
        read(gzip.compress(b'{"id": "abc", "data": {}}')[:-cut], "gzip", MB, piece=7)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "\x1b[31m" * 50])
def test_an_encoding_that_was_not_asked_for_is_told(encoding):
    with pytest.raises(UnreadableEncodingError, match="not asked for"):
        read(b"{}", encoding, MB)


def test_zeros_after_the_last_member_are_padding():
    assert read(gzip.compress(b"{}") + bytes(64), "gzip", MB) == Body(b"{}")


LARGE = json.dumps({"id": ID, "run_id": ID, "data": {"name": "x" * MB, "echo": KEY}}).encode()
READS: dict[str, Callable[[LinktClient], Awaitable[object]]] = {
    "one by one": lambda client: client.get_task(ID),
    "by the thousand": lambda client: client.get_entity_body(ID),
    "a start": lambda client: client.execute_task(ID, icp_id=None, parameters={}),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ask", READS.values(), ids=READS.keys())
def test_a_body_beyond_the_limit_is_an_error_with_its_first_kilobytes(ask, packed):
    raw = answer(gzip.compress(LARGE), content_encoding="gzip") if packed else answer(LARGE)

    async def scene() -> tuple[BodyTooLargeError, int]:
        async with serving(always(raw)) as server, client_for(server, max_body=MB, retry_for=None) as client:
            with pytest.raises(BodyTooLargeError) as caught:
                await ask(client)
            return caught.value, len(server.requests)

    error, requests = asyncio.run(scene())

    assert requests == 1
    assert error.reason == "the body is larger than 1 MB (LINKT_MAX_BODY_MB)"
    assert error.payload == LARGE[:4096].decode()
    assert not error.truncated  # another read would bring no less


def test_after_a_body_that_was_too_large_the_client_goes_on():
    async def scene() -> int:
        replies = [answer(LARGE), answer(b'{"id": "a", "data": {}}')]

        async def behave(_: object, writer: asyncio.StreamWriter) -> None:
            writer.write(replies.pop(0))

        async with serving(behave) as server, client_for(server, max_body=MB) as client:
            with pytest.raises(BodyTooLargeError):
                await client.get_entity_body(ID)
            await client.get_entity_body(ID)
            return len(server.requests)

    assert asyncio.run(scene()) == 2


def test_a_packed_body_that_is_damaged_is_a_lost_reply():
    raw = answer(gzip.compress(LARGE)[:200], content_encoding="gzip")

    async def scene() -> None:
        async with serving(always(raw)) as server, client_for(server) as client:
            with pytest.raises(ReplyLostError):
                await client.get_task(ID)

    asyncio.run(scene())


@pytest.mark.parametrize("giant", [0, 37, 99])
def test_a_giant_row_of_a_list_hides_none_of_its_neighbours(giant):
    rows = [{"id": f"{n:024x}", "data": {"name": "x" * (2 * MB if n == giant else 10)}} for n in range(100)]

    async def behave(request: object, writer: asyncio.StreamWriter) -> None:
        query = {name: int(value) for name, value in request.query}
        size, page = query["page_size"], query["page"]
        shown = rows[(page - 1) * size : page * size]
        body = {"entities": shown, "total": len(rows), "page": page, "page_size": size}
        writer.write(answer(json.dumps(body)))

    async def scene() -> tuple[list[str], list[MalformedBodyError], int]:
        async with serving(behave) as server, client_for(server, max_body=MB) as client:
            page = await client.list_entities_page()
            assert (page.total, page.page, page.page_size) == (100, 1, 100)
            assert page.requests == len(server.requests)
            return [item.id for item in page.items], list(page.malformed), len(server.requests)

    ids, malformed, requests = asyncio.run(scene())

    assert ids == [row["id"] for row in rows if row["id"] != f"{giant:024x}"]
    assert [type(error) for error in malformed] == [BodyTooLargeError]
    assert requests < 20


def test_a_list_that_is_too_large_however_few_rows_are_asked_for_is_given_up_soon():
    async def scene() -> int:
        async with serving(always(answer(LARGE))) as server, client_for(server, max_body=MB // 2) as client:
            with pytest.raises(BodyTooLargeError) as raised:
                await client.list_entities_page()
            assert raised.value.requests == len(server.requests)
            return len(server.requests)

    assert asyncio.run(scene()) < 20
