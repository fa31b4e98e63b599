"""Did the server do the work? One table: what happens on the wire, and which error says so.

The paid POST hangs on this table. A row that says ReplyLostError means "look before you send again"; a row that says
RequestNotSentError means "send again". A wrong row buys a run twice. Each POST must reach the server at most once.
"""

import asyncio
import gzip
import socket

import aiohttp
import httpx
import pytest

from linkt_pipeline.api import (
    AuthenticationError,
    ConflictError,
    ForeignNotFoundError,
    InvalidRequestError,
    LinktApiError,
    LinktClient,
    MalformedBodyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RefusedError,
    ReplyLostError,
    RequestNotSentError,
    RequestTimeoutError,
    ServerError,
    ServiceUnavailableError,
    UnexpectedRedirectError,
)

from .raw_server import ID, Request, always, answer, client_for, never_accepting, reset, serving

EXECUTED = b'{"run_id": "69d4c7925c41d0beef002a1c", "flow_run_id": "f", "status": "SCHEDULED"}'


async def execute(client: LinktClient) -> object:
    return await client.execute_task(ID, icp_id=ID, parameters={})


async def read(client: LinktClient) -> object:
    return await client.get_run(ID)


async def read_in_bulk(client: LinktClient) -> object:
    return await client.get_entity_body(ID)


CALLS = [execute, read, read_in_bulk]


async def close_unanswered(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset_unanswered(_: Request, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def stay_silent(_: Request, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3)


async def close_within_body(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n" + EXECUTED)
    await writer.drain()
    writer.close()


async def reset_within_body(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n" + EXECUTED)
    await writer.drain()
    await asyncio.sleep(0.05)
    reset(writer)


async def fall_silent_within_body(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n" + EXECUTED)
    await writer.drain()
    await asyncio.sleep(3)


async def close_within_chunks(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(EXECUTED), EXECUTED))
    await writer.drain()
    writer.close()


async def close_within_headers(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
    await writer.drain()
    writer.close()


async def drip_for_ever(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n")
    for _ in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.1)


LOST = {
    "closed without an answer": close_unanswered,
    "reset without an answer": reset_unanswered,
    "no answer in time": stay_silent,
    "closed within the headers": close_within_headers,
    "closed within the body": close_within_body,
    "reset within the body": reset_within_body,
    "silent within the body": fall_silent_within_body,
    "chunked body without an end": close_within_chunks,
    "not HTTP": always(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "corrupt gzip": always(answer(gzip.compress(EXECUTED)[:10] + b"\xff" * 40, content_encoding="gzip")),
    "endless header": always(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
def test_whatever_happens_after_the_request_left_is_a_lost_reply(fault, call):
    async def scenario():
        async with serving(fault) as server, client_for(server) as client:
            with pytest.raises(ReplyLostError) as caught:
                await call(client)
            return server.requests, caught.value

    requests, error = asyncio.run(scenario())

    # aiohttp itself repeats a GET once when the connection drops; it must never do so with a POST.
    assert len(requests) == 1 or requests[0].method == "GET"
    assert error.method == requests[0].method
    assert error.path == requests[0].path
    assert error.status is None


def test_an_answer_that_drips_in_is_given_up_after_the_sum_of_the_timeouts():
    async def scenario():
        timeouts = httpx.Timeout(connect=0.2, read=0.3, write=0.2, pool=0.2)
        async with serving(drip_for_ever) as server, client_for(server, timeouts=timeouts) as client:
            began = asyncio.get_running_loop().time()
            with pytest.raises(ReplyLostError):
                await execute(client)
            return asyncio.get_running_loop().time() - began

    assert 0.8 < asyncio.run(scenario()) < 2.5


async def _nobody_listens() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ["refused", "no such name", "no TLS there", "handshake unanswered"])
def test_a_failure_before_the_first_byte_says_that_nothing_was_sent(kind, call):
    async def scenario():
        async with serving(always(answer(EXECUTED))) as server:
            with never_accepting() as unanswered:
                url = {
                    "refused": await _nobody_listens(),
                    "no such name": "http://linkt.invalid",
                    "no TLS there": server.url.replace("http:", "https:"),
                    "handshake unanswered": unanswered,
                }[kind]
                async with client_for(url) as client:
                    with pytest.raises(RequestNotSentError, match="nothing was sent") as caught:
                        await call(client)
            return server.requests, caught.value

    requests, error = asyncio.run(scenario())

    assert requests == []
    assert error.status is None


STATUSES = {
    101: ReplyLostError,
    301: UnexpectedRedirectError,
    302: UnexpectedRedirectError,
    303: UnexpectedRedirectError,
    307: UnexpectedRedirectError,
    308: UnexpectedRedirectError,
    400: InvalidRequestError,
    401: AuthenticationError,
    402: RefusedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: RefusedError,
    408: RequestTimeoutError,
    409: ConflictError,
    418: RefusedError,
    422: InvalidRequestError,
    425: RequestTimeoutError,
    429: RateLimitedError,
    500: ServerError,
    501: ServerError,
    502: ServerError,
    503: ServiceUnavailableError,
    504: ServerError,
    529: ServerError,
    599: ServerError,
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
def test_each_status_has_its_error(status, expected, call):
    async def scenario():
        async with serving(always(answer(b'{"detail": "?"}', status, location="http://127.0.0.1:1/v1"))) as server:
            async with client_for(server) as client:
                with pytest.raises(LinktApiError) as caught:
                    await call(client)
            return server.requests, caught.value

    requests, error = asyncio.run(scenario())

    assert type(error) is expected
    assert error.status == status
    assert str(status) in str(error)
    assert len(requests) == 1  # no redirect followed, no POST repeated


@pytest.mark.parametrize("body", [b"", b"Not Found", b"<html>404</html>", b"[]", b'"Not Found"'])
def test_a_404_in_other_words_than_linkts_is_no_verdict(body):
    """A gateway without a server behind it, a proxy, a wrong host: none of them knows what Linkt has."""

    async def scenario():
        async with serving(always(answer(body, 404))) as server, client_for(server) as client:
            with pytest.raises(ForeignNotFoundError):
                await client.get_entity_body(ID)
            return len(server.requests)

    assert asyncio.run(scenario()) == 1


UNREADABLE = {
    "empty": b"",
    "cut": EXECUTED[:-9],
    "html": b"<html>hello</html>",
    "list": b"[1]",
    "without run_id": b'{"id": "69d4c7925c41d0beef002a1c"}',
    "run_id null": b'{"run_id": null}',
    "run_id number": b'{"run_id": 7}',
    "run_id blank": b'{"run_id": " "}',
    "run_id a path": b'{"run_id": "../task/x"}',
    "not utf-8": b'{"run_id": "\xff\xfe"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_success_that_cannot_be_read_keeps_its_payload(status, body):
    async def scenario():
        async with serving(always(answer(body, status))) as server, client_for(server) as client:
            with pytest.raises(MalformedBodyError) as caught:
                await execute(client)
            return server.requests, caught.value

    requests, error = asyncio.run(scenario())

    assert len(requests) == 1
    assert error.payload == body.decode("utf-8", "replace")
    assert error.status == status
    assert error.path == f"/v1/task/{ID}/execute"
    assert error.reason


# Every error class of the two HTTP libraries, and whether it proves that nothing was sent. None of httpx does: it only
# repeats what httpx-aiohttp made of aiohttp's error, and calls a reset after the request `ConnectTimeout`.
HTTPX_ERRORS = [
    "CloseError",
    "ConnectError",
    "ConnectTimeout",
    "CookieConflict",
    "DecodingError",
    "HTTPError",
    "HTTPStatusError",
    "InvalidURL",
    "LocalProtocolError",
    "NetworkError",
    "PoolTimeout",
    "ProtocolError",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "RequestError",
    "RequestNotRead",
    "ResponseNotRead",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "TimeoutException",
    "TooManyRedirects",
    "TransportError",
    "UnsupportedProtocol",
    "WriteError",
    "WriteTimeout",
]
AIOHTTP_NOT_SENT = [
    "ClientConnectorCertificateError",
    "ClientConnectorDNSError",
    "ClientConnectorError",
    "ClientConnectorSSLError",
    "ClientHttpProxyError",
    "ClientProxyConnectionError",
    "ClientSSLError",
    "ConnectionTimeoutError",
    "InvalidURL",
    "InvalidUrlClientError",
    "InvalidUrlRedirectClientError",
    "UnixClientConnectorError",
]
AIOHTTP_LOST = [
    "ClientConnectionError",
    "ClientConnectionResetError",
    "ClientError",
    "ClientOSError",
    "ClientPayloadError",
    "ClientResponseError",
    "ContentTypeError",
    "NonHttpUrlClientError",
    "NonHttpUrlRedirectClientError",
    "RedirectClientError",
    "ServerConnectionError",
    "ServerDisconnectedError",
    "ServerFingerprintMismatch",
    "ServerTimeoutError",
    "SocketTimeoutError",
    "TooManyRedirects",
    "UploadAbortedError",
    "WSMessageTypeError",
    "WSServerHandshakeError",
]


def errors_of(module):
    return {name for name, each in vars(module).items() if isinstance(each, type) and issubclass(each, Exception)}


def test_no_error_class_of_the_http_libraries_is_left_unclassified():
    assert errors_of(httpx) == set(HTTPX_ERRORS)
    assert errors_of(aiohttp.client_exceptions) == {*AIOHTTP_NOT_SENT, *AIOHTTP_LOST}


def as_if(kind):
    """An error of a class, without the request that its constructor may ask for."""
    return type(kind.__name__, (kind,), {"__init__": lambda self: None, "__str__": lambda self: "as if"})()


async def _failing_with(monkeypatch, error):
    """The error that a POST comes to when the exchange ends in another one."""
    async with client_for("http://127.0.0.1:1") as client:

        async def fail(*_):
            raise error

        monkeypatch.setattr(client._transport, "_exchange", fail)
        with pytest.raises(LinktApiError) as caught:
            await execute(client)
        return type(caught.value)


@pytest.mark.parametrize("name", HTTPX_ERRORS)
def test_no_error_of_httpx_by_itself_proves_that_nothing_was_sent(monkeypatch, name):
    assert asyncio.run(_failing_with(monkeypatch, as_if(getattr(httpx, name)))) is ReplyLostError


@pytest.mark.parametrize("name", [*AIOHTTP_NOT_SENT, *AIOHTTP_LOST])
def test_the_error_of_aiohttp_decides_whatever_httpx_makes_of_it(monkeypatch, name):
    error = httpx.ConnectTimeout("")
    error.__cause__ = as_if(getattr(aiohttp.client_exceptions, name))

    expected = RequestNotSentError if name in AIOHTTP_NOT_SENT else ReplyLostError
    assert asyncio.run(_failing_with(monkeypatch, error)) is expected


@pytest.mark.parametrize("error", [RuntimeError("new in version 9"), TimeoutError(), OSError(9, "?"), ValueError()])
def test_an_error_nobody_has_thought_of_counts_as_lost(monkeypatch, error):
    assert asyncio.run(_failing_with(monkeypatch, error)) is ReplyLostError


def test_a_post_never_rides_on_a_connection_the_server_may_have_closed():
    async def answer_once_then_close(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(EXECUTED))
        await writer.drain()
        writer.close()  # without announcing it

    async def scenario():
        async with serving(answer_once_then_close) as server, client_for(server) as client:
            for _ in range(5):
                await execute(client)
            return server

    server = asyncio.run(scenario())

    assert len(server.requests) == server.connections == 5


def test_more_callers_than_connections_wait_their_turn_without_an_error():
    async def answer_slowly(_: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(answer(b'{"id": "a"}'))

    async def scenario():
        async with serving(answer_slowly) as server, client_for(server, max_connections=2) as client:
            await asyncio.gather(*(client.get_entity_body(ID) for _ in range(40)))
            return server

    server = asyncio.run(scenario())

    assert len(server.requests) == 40
    assert server.connections <= 2


def test_a_cancelled_call_gives_its_place_back():
    async def scenario():
        async with (
            serving(stay_silent) as server,
            client_for(server, max_connections=1, timeouts=httpx.Timeout(5)) as client,
        ):
            call = asyncio.create_task(read(client))
            while not server.requests:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert client._transport._slots._value == 1

    asyncio.run(asyncio.wait_for(scenario(), 5))
