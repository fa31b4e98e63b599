"""One HTTP request, at most once on the wire, with every outcome named.

httpx speaks through httpx-aiohttp. Three things are decided here rather than left to those libraries:

* Which failures mean "nothing was sent". httpx-aiohttp reports a connection that the server closed *after* reading
  the request as ``httpx.ConnectTimeout``; taken at its word, a paid POST would be sent twice. So the aiohttp error
  underneath decides, from a list of those that can only occur before the first byte; all others count as lost.
* Where the key goes: into the request itself, when it leaves. aiohttp copies the default headers of a session into the
  CONNECT that asks a proxy for a tunnel, in clear text.
* Which connection a POST uses: always a fresh one. A kept-alive connection may have been closed by the server in the
  meantime; then a POST on it would be lost without need.
"""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from pydantic import SecretStr
from pydantic_core import to_json
from yarl import URL

from linkt_pipeline import __version__
from linkt_pipeline.api.body import DEFAULT_MAX_BODY, Body, read_body
from linkt_pipeline.api.errors import BodyTooLargeError, LinktApiError, ReplyLostError, RequestNotSentError
from linkt_pipeline.api.proxy import proxy_for
from linkt_pipeline.api.query import Query, encode_query
from linkt_pipeline.api.ratelimit_headers import read_retry_after
from linkt_pipeline.api.reply import error_for
from linkt_pipeline.api.throttle import Throttle
from linkt_pipeline.redaction import REDACTED, escaped_spelling, redact, register_secret, spellings

_KEPT_OF_LARGE_BODIES = 4096
_LARGEST_CLOCK_OFFSET = timedelta(days=1)  # a header that says more is wrong, or a cache's
DEFAULT_TIMEOUTS = httpx.Timeout(connect=5.0, read=60.0, write=30.0, pool=60.0)

_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")  # seldom needed in JSON, so most bodies are searched for no more than this

_log = logging.getLogger(__name__)

# Raised by aiohttp's connector only, before any byte of the request is written.
_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)
_HEADERS = {
    "user-agent": f"linkt-pipeline/{__version__}",
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
}


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request that was really attempted.

    Attributes:
        endpoint: method and path template, such as ``GET /v1/run/{run_id}``.
        status: HTTP status, None when no answer came.
        at: when it started (UTC).
        seconds: until the answer was complete or given up.
    """

    endpoint: str
    status: int | None
    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx answer."""

    method: str
    path: str
    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file to send.

    Attributes:
        name: under which Linkt keeps it.
        content: its bytes.
        content_type: such as ``text/csv``.
    """

    name: str
    content: bytes = field(repr=False)
    content_type: str


def _encode(body: Any, file: FilePart | None) -> tuple[bytes | None, str]:
    """The bytes of a request and their content type."""
    if file is None:
        return None if body is None else to_json(body), "application/json"
    # By httpx's own encoder; the address is none that is ever asked.
    form = httpx.Request("POST", "http://encoder", files={"file": (file.name, file.content, file.content_type)})
    return form.read(), form.headers["content-type"]


class Transport:
    """Sends requests for one API key; an async context manager."""

    def __init__(
        self,
        base_url: str,
        api_key: SecretStr,
        *,
        throttle: Throttle,
        timeouts: httpx.Timeout,
        max_connections: int,
        on_request: Callable[[RequestRecord], None] | None,
        max_body: int = DEFAULT_MAX_BODY,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        register_secret(api_key)
        self._never_stored = [spelling.encode() for spelling in spellings(api_key)]
        self._escaped_key = escaped_spelling(api_key)
        self._throttle = throttle
        self._timeouts = timeouts
        self._max_connections = max_connections
        self._on_request = on_request
        self._max_body = max_body
        # No answer, however slowly it drips in, outlives the sum of the four timeouts.
        self._deadline = sum(t for t in timeouts.as_dict().values() if t is not None) or None
        self._proxy = proxy_for(self._base_url)
        self._dated: tuple[str, datetime] | None = None  # the last header Date, and when it came

    def __repr__(self) -> str:
        return f"Transport({self._base_url!r})"

    async def __aenter__(self) -> Self:
        secure = any(url.startswith("https:") for url in (self._base_url, self._proxy or ""))
        self._tls = httpx.create_ssl_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._slots = asyncio.Semaphore(self._max_connections)
        self._kept = self._session(force_close=False)
        self._fresh = self._session(force_close=True)
        self._reads = self._http(self._kept, "keep-alive")
        self._writes = self._http(self._fresh, "close")
        self._bulk_timeout = aiohttp.ClientTimeout(
            connect=self._timeouts.pool, sock_connect=self._timeouts.connect, sock_read=self._timeouts.read
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reads.aclose()
        await self._writes.aclose()
        await self._kept.close()
        await self._fresh.close()

    def _session(self, *, force_close: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=self._max_connections, ssl=self._tls, force_close=force_close)
        return aiohttp.ClientSession(
            connector=connector, middlewares=[self._authenticate], cookie_jar=aiohttp.DummyCookieJar()
        )

    async def _authenticate(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Add the key to a request as it leaves, so that no httpx.Request and no proxy's CONNECT holds the key."""
        request.headers["x-api-key"] = self._api_key.get_secret_value()
        return await handler(request)

    def _http(self, session: aiohttp.ClientSession, connection: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=AiohttpTransport(
                client=session, proxy=httpx.Proxy(self._proxy) if self._proxy else None, verify=self._tls
            ),
            headers={**_HEADERS, "connection": connection},
            timeout=self._timeouts,
            follow_redirects=False,
            trust_env=False,
        )

    async def send(
        self,
        method: str,
        route: str,
        *,
        query: Query | None = None,
        body: Any = None,
        file: FilePart | None = None,
        patience: timedelta | None = None,
        bulk: bool = False,
        ids: Mapping[str, str] | None = None,
        before_send: Callable[[], None] | None = None,
    ) -> Reply:
        """Make one request.

        Args:
            method: HTTP method.
            route: path template, such as ``/v1/run/{run_id}``.
            query: parameters; None values are left out, lists become repeated keys.
            body: sent as JSON unless None.
            file: sent as the multipart field ``file``, instead of JSON.
            patience: longest ordered pause to sit out before the request.
            bulk: a read by the thousand: same session, but without httpx's request and response objects.
            ids: checked ids for the template.
            before_send: called after every wait, right before the request leaves; what it raises stops the request.

        Raises:
            LinktApiError: anything but a 2xx with a complete body.
        """
        path = route.format(**ids) if ids else route
        if query and (encoded := encode_query(query)):
            path = f"{path}?{encoded}"
        content, content_type = _encode(body, file)
        exchange = self._exchange_bulk if bulk else self._exchange
        async with self._slots:
            started = await self._throttle.acquire(patience=patience)
            if before_send is not None:
                try:
                    before_send()
                except BaseException:
                    self._throttle.observe(started)  # frees the place that the request has taken
                    raise
            at = datetime.now(UTC)
            status: int | None = None
            headers: Mapping[str, str] = {}
            answer = Body(b"")
            failure: LinktApiError | None = None
            try:
                async with asyncio.timeout(self._deadline):
                    status, headers, answer = await exchange(method, path, content, content_type)
            except Exception as error:  # whatever it is: it must not pass for "not sent"
                failure = self._failure(method, path, error)
            finally:
                retry_after = read_retry_after(headers, answer.content) if status in (429, 503) else None
                self._throttle.observe(started, status, headers, retry_after)
                if date := headers.get("date"):
                    self._dated = date, datetime.now(UTC)
                self._report(RequestRecord(f"{method} {route}", status, at, time.monotonic() - started))
        # Outside of the except block: the transport's own error, which may know the headers, is not chained.
        if failure is None and status is not None:
            failure = error_for(method, path, status, headers, answer.content)
            if failure is None and answer.is_whole:
                return Reply(method, path, status, answer.content)
            failure = failure or self._too_large(method, path, status, answer)
        assert failure is not None  # noqa: S101
        raise failure

    @property
    def clock_offset(self) -> timedelta | None:
        """How far the server's clock was ahead of ours at its last answer; None until an answer gives a usable time."""
        if self._dated is None:
            return None
        date, received_at = self._dated
        try:
            offset = parsedate_to_datetime(date).astimezone(UTC) - received_at
        except (ValueError, OverflowError):
            return None
        return offset if abs(offset) <= _LARGEST_CLOCK_OFFSET else None

    def _report(self, record: RequestRecord) -> None:
        if self._on_request is None:
            return
        try:
            self._on_request(record)
        except Exception:
            # The answer in hand may be the id of a run that has been paid for; bookkeeping must not lose it.
            _log.exception("%s could not be counted", record.endpoint)

    async def _exchange(
        self, method: str, path: str, content: bytes | None, content_type: str
    ) -> tuple[int, Mapping[str, str], Body]:
        client = self._reads if method == "GET" else self._writes
        headers = {} if content is None else {"content-type": content_type}
        async with client.stream(method, self._base_url + path, content=content, headers=headers) as reply:
            body = await self._read(reply.aiter_raw(), reply.headers)
            return reply.status_code, reply.headers, body

    async def _exchange_bulk(
        self, method: str, path: str, content: bytes | None, content_type: str
    ) -> tuple[int, Mapping[str, str], Body]:
        del content_type  # of reads, which have no content
        async with self._kept.request(
            method,
            URL(self._base_url + path, encoded=True),
            data=content,
            headers=_HEADERS,
            allow_redirects=False,
            timeout=self._bulk_timeout,
            proxy=self._proxy,
            auto_decompress=False,
        ) as reply:
            body = await self._read(reply.content.iter_any(), reply.headers)
            if not body.is_whole:
                reply.close()  # what is left of it is not waited for
            return reply.status, reply.headers, body

    async def _read(self, chunks: AsyncIterable[bytes], headers: Mapping[str, str]) -> Body:
        body = await read_body(chunks, headers.get("content-encoding", ""), self._max_body)
        for spelling in self._never_stored:  # here already, so that no table, file or report can hold the key
            if spelling in body.content:
                body = Body(body.content.replace(spelling, REDACTED.encode()), body.is_whole)
        if self._escaped_key and _ESCAPED_ASCII.search(body.content):
            body = Body(self._escaped_key.sub(REDACTED.encode(), body.content), body.is_whole)
        return body

    def _too_large(self, method: str, path: str, status: int, body: Body) -> BodyTooLargeError:
        # Cleaned before it is cut, so that no half of a key survives.
        beginning = redact(body.content[: 2 * _KEPT_OF_LARGE_BODIES].decode("utf-8", "replace"))
        return BodyTooLargeError(
            beginning[:_KEPT_OF_LARGE_BODIES],
            limit=self._max_body,
            method=method,
            path=redact(path),
            status=status,
        )

    def _failure(self, method: str, path: str, error: Exception) -> LinktApiError:
        cause = error.__cause__ if isinstance(error, httpx.HTTPError) and error.__cause__ else error
        shown = redact(f"{type(cause).__name__}: {cause}".rstrip(": "))[:300]
        path = redact(path)
        if isinstance(cause, _NOT_SENT):
            return RequestNotSentError(
                f"{method} {path}: {self._base_url} can't be reached ({shown}); nothing was sent. "
                "Check the network and LINKT_BASE_URL.",
                method=method,
                path=path,
            )
        return ReplyLostError(
            f"{method} {path}: the request was sent, but no complete answer came back ({shown}).",
            method=method,
            path=path,
        )
