"""Which requests reach Dagster's web server, and which are refused before it sees them."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from linkt_pipeline.cli.request_guard import RequestGuard

HOST = "127.0.0.1:3000"
OWN = f"http://{HOST}"
JSON = {"content-type": "application/json"}
EVIL = "https://evil.example"
NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.fixture
def server() -> tuple[TestClient, list[str]]:
    reached: list[str] = []

    async def page(request) -> PlainTextResponse:
        reached.append(f"{request.method} {request.url.path}")
        return PlainTextResponse("reached")

    async def socket(websocket: WebSocket) -> None:
        reached.append("websocket")
        await websocket.accept()
        await websocket.close()

    app = Starlette(
        routes=[Route("/{path:path}", page, methods=["GET", "POST"]), WebSocketRoute("/graphql", socket)],
    )
    app.add_middleware(RequestGuard, hosts=("dagster.example.com", "tunnel.example.com:8443"))
    return TestClient(app, base_url=OWN), reached


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        pytest.param("GET", "/", {}, id="a program opens the page"),
        pytest.param("GET", "/", {"sec-fetch-site": "none", **NAVIGATION}, id="a person types the address"),
        pytest.param("GET", "/runs/1", {"sec-fetch-site": "cross-site", "referer": EVIL, **NAVIGATION}, id="a link"),
        pytest.param("GET", "/runs/1", {"referer": EVIL}, id="a link, in an old browser"),
        pytest.param("GET", "/graphql", {"accept": "text/html", "sec-fetch-site": "none"}, id="the playground"),
        pytest.param("POST", "/graphql", JSON, id="a program asks"),
        pytest.param("POST", "/graphql", {"content-type": "application/graphql"}, id="a program asks in plain GraphQL"),
        pytest.param("POST", "/graphql", {**JSON, "origin": OWN, "sec-fetch-site": "same-origin"}, id="the UI asks"),
        pytest.param("POST", "/graphql", {**JSON, "referer": f"{OWN}/assets"}, id="the UI asks, in an old browser"),
        pytest.param("GET", "/logs/a/b.err", {"sec-fetch-site": "same-origin"}, id="a download"),
        pytest.param("POST", "/graphql", {**JSON, "host": "localhost:8080"}, id="a tunnel to localhost"),
        pytest.param("POST", "/graphql", {**JSON, "host": "[::1]:3000"}, id="IPv6"),
        pytest.param(
            "POST",
            "/graphql",
            {**JSON, "host": "dagster.example.com", "origin": "https://dagster.example.com"},
            id="a proxy that passes the name on",
        ),
        pytest.param(
            "POST",
            "/graphql",
            {**JSON, "host": HOST, "origin": "https://tunnel.example.com:8443"},
            id="a proxy that does not pass the name on",
        ),
    ],
)
def test_what_the_ui_and_programs_ask_is_passed_on(server, method, path, headers):
    client, reached = server

    reply = client.request(method, path, headers={"host": HOST, **headers}, content=b"{}" if method == "POST" else None)

    assert (reply.status_code, reached) == (200, [f"{method} {path}"])
    assert reply.headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        pytest.param(405, "GET", "/graphql?query=mutation{launch}", {}, id="a mutation by GET, whoever asks"),
        pytest.param(405, "GET", "/graphql/?query=mutation{launch}", {}, id="with a slash"),
        pytest.param(403, "GET", "/graphql?query=mutation{launch}", {"referer": EVIL, "accept": "image/*"}, id="image"),
        pytest.param(403, "GET", "/graphql", {"sec-fetch-site": "cross-site", **NAVIGATION}, id="a playground's link"),
        pytest.param(403, "POST", "/graphql", {**JSON, "origin": EVIL}, id="fetch"),
        pytest.param(403, "POST", "/graphql", {**JSON, "origin": "null"}, id="a page without an origin"),
        pytest.param(403, "POST", "/graphql", {**JSON, "origin": "http://127.0.0.1:3001"}, id="another port"),
        pytest.param(403, "POST", "/graphql", {**JSON, "sec-fetch-site": "same-site"}, id="another port, no origin"),
        pytest.param(403, "POST", "/graphql", {**JSON, "referer": EVIL}, id="only a referer"),
        pytest.param(415, "POST", "/graphql?query=mutation{launch}", {}, id="a form without any header of a browser"),
        pytest.param(415, "POST", "/graphql", {"content-type": "text/plain"}, id="plain text"),
        pytest.param(
            415, "POST", "/graphql", {"content-type": "text/plain;application/json"}, id="plain text in disguise"
        ),
        pytest.param(403, "POST", "/graphql", {**JSON, "host": "evil.example:3000"}, id="rebinding"),
        pytest.param(
            403,
            "POST",
            "/graphql",
            {
                **JSON,
                "host": "evil.example:3000",
                "origin": "http://evil.example:3000",
                "sec-fetch-site": "same-origin",
            },
            id="rebinding, with headers that agree",
        ),
        pytest.param(403, "GET", "/", {"host": "evil.example:3000", **NAVIGATION}, id="a rebound page"),
        pytest.param(403, "GET", "/", {"host": "127.0.0.1.evil.example"}, id="a name that begins well"),
        pytest.param(403, "GET", "/", {"host": "tunnel.example.com:1"}, id="a name allowed with another port"),
        pytest.param(403, "GET", "/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, id="in a frame"),
        pytest.param(403, "POST", "/report_asset_materialization/a", {"origin": EVIL}, id="a made-up materialization"),
        pytest.param(403, "GET", "/logs/a/b.err", {"sec-fetch-site": "cross-site"}, id="logs, read by a page"),
    ],
)
def test_what_foreign_pages_ask_never_reaches_dagster(server, status, method, path, headers):
    client, reached = server

    reply = client.request(method, path, headers={"host": HOST, **headers}, content=b"{}" if method == "POST" else None)

    assert (reply.status_code, reached) == (status, [])
    assert reply.text.startswith("Refused: ")


def test_a_second_host_header_matches_nothing():
    """An HTTP client can't be made to send two, a program can."""
    sent: list[dict] = []

    async def unreachable(scope, receive, send) -> None:
        raise AssertionError("it reached Dagster")

    async def send(message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", HOST.encode()), (b"host", b"evil")]}
    asyncio.run(RequestGuard(unreachable)(scope, lambda: None, send))

    assert sent[0]["status"] == 403


@pytest.mark.parametrize("headers", [{}, {"origin": OWN}, {"origin": OWN, "sec-fetch-site": "same-origin"}])
def test_the_uis_websocket_is_passed_on(server, headers):
    client, reached = server

    with client.websocket_connect("/graphql", headers={"host": HOST, **headers}):
        pass

    assert reached == ["websocket"]


@pytest.mark.parametrize(
    "headers", [{"origin": EVIL}, {"origin": "http://127.0.0.1:3001"}, {"host": "evil.example"}, {"origin": "null"}]
)
def test_a_foreign_websocket_is_refused(server, headers):
    client, reached = server

    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/graphql", headers={"host": HOST, **headers}):
        pass

    assert reached == []
