"""Which requests Dagster's web server may answer: those of its own pages and of programs on this machine.

Dagster's UI has no login and takes commands from everyone who reaches its port. A web page in the user's browser
reaches it too: by an image address, a form, a fetch, a websocket, or a host name that the page's owner points at
127.0.0.1 (DNS rebinding). One such request launches the paid asset. But a browser names the page that asks, in headers
that no page can change: ``Host``, ``Origin``, ``Sec-Fetch-Site``.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

_GRAPHQL = "/graphql"
# A browser sends these to another site only if that site agrees first; a form or an image can't.
_NEEDS_CONSENT = ("application/json", "application/graphql")
_READING = ("GET", "HEAD")
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?")


class RequestGuard:
    """ASGI middleware that refuses what a foreign page asks for.

    Args:
        app: Dagster's web server.
        hosts: names, with or without a port, by which the server may be called besides those of loopback.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 403, 405 or 415 and the reason."""
        if scope["type"] == "http":
            if refused := self._refused(scope):
                status, reason = refused
                await PlainTextResponse(f"Refused: {reason}\n", status)(scope, receive, send)
                return
            await self._app(scope, receive, _forbidding_frames(send))
        elif scope["type"] == "websocket" and self._foreign(Headers(scope=scope)):
            await WebSocketClose()(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        is_graphql = scope["path"].rstrip("/").endswith(_GRAPHQL)
        if not self._is_own_name(_only(headers, "host")):
            return 403, self._foreign(headers)
        opens_a_page = scope["method"] in _READING and not is_graphql and _is_navigation(headers)
        if not opens_a_page and (reason := self._foreign(headers)):
            return 403, reason
        if is_graphql:
            return _refused_graphql(scope["method"], headers)
        return None

    def _foreign(self, headers: Headers) -> str:
        """Why a request is not one of the UI's own; empty if it is."""
        host, origin, referer = _only(headers, "host"), _only(headers, "origin"), _only(headers, "referer")
        # Against DNS rebinding: the browser sends the name that it was given, not the address that it reached.
        if not self._is_own_name(host):
            return f"this server is not called {host!r}. If that is a name of yours, add it to LINKT_UI_HOSTS."
        if origin is not None and not self._is_same_place(origin, host):
            return f"the request comes from a page of {origin!r}. If that is yours, add its host to LINKT_UI_HOSTS."
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "the request comes from a page of another site."
        if referer is not None and not self._is_same_place(referer, host):
            return "the request comes from a page of another site."
        return ""

    def _is_own_name(self, host: str | None) -> bool:
        match = _HOST.fullmatch((host or "").lower())
        return match is not None and (
            _is_loopback(match["name"]) or not self._hosts.isdisjoint((match[0], match["name"]))
        )

    def _is_same_place(self, page: str, host: str | None) -> bool:
        """Whether a page's address is this server's: host and port, because other ports are other programs."""
        try:
            place = urlsplit(page).netloc.lower()
        except ValueError:
            return False
        return bool(place) and (place == (host or "").lower() or place in self._hosts)


def _refused_graphql(method: str, headers: Headers) -> tuple[int, str] | None:
    if method == "POST":
        if headers.get("content-type", "").partition(";")[0].strip().lower() not in _NEEDS_CONSENT:
            return 415, f"send GraphQL as {_NEEDS_CONSENT[0]}."
    elif not (method == "GET" and "text/html" in headers.get("accept", "")):  # the playground, which executes nothing
        return 405, "send GraphQL by POST; by GET nothing is executed."
    return None


def _is_navigation(headers: Headers) -> bool:
    """Whether a person follows a link, as from a chat or a wiki. Then the page is shown, and only to that person."""
    if "sec-fetch-site" in headers:
        return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return "origin" not in headers


def _only(headers: Headers, name: str) -> str | None:
    """A header's value; of several, all of them, which match nothing."""
    values = headers.getlist(name)
    return ", ".join(values) if values else None


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _forbidding_frames(send: Send) -> Send:
    """Forbid pages of other sites to show the UI in a frame, where they could trick a person into clicks."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["x-frame-options"] = "SAMEORIGIN"
            headers["cross-origin-resource-policy"] = "same-origin"
        await send(message)

    return sending
