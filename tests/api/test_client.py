"""What goes over the wire for each endpoint, and where the key must never show up."""

import asyncio
import contextlib
import gzip
import logging
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta, timezone
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest
from pydantic import SecretStr

from linkt_pipeline import __version__
from linkt_pipeline.api import (
    FilePart,
    FileStatus,
    InvalidIdError,
    LinktApiError,
    LinktClient,
    MalformedBodyError,
    RequestRecord,
    parse_entity,
)
from linkt_pipeline.api.proxy import proxy_for
from linkt_pipeline.api.query import encode_query
from linkt_pipeline.redaction import REDACTED

from .raw_server import ID, KEY, Request, always, answer, client_for, serving

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=timezone(timedelta(hours=2)))
OBJECT = b'{"id": "69d4d6fc5c41d0beef002a31", "data": {}, "run_id": "r", "total": 0}'


FILE = b'{"file_id": "69d4d6fc5c41d0beef002a31", "name": "fair.csv", "processing_status": "processing"}'
CSV = FilePart("fär.csv", b"name\nLarkspur\n", "text/csv")


def page_of(key: str) -> bytes:
    own = b"file_id" if key == "files" else b"id"
    return b'{"%s": [{"%s": "a"}, {"%s": "b"}], "total": 2, "page": 1, "page_size": 100}' % (key.encode(), own, own)


async def drain(rows):
    return [row.id async for row in rows]


ENDPOINTS = [
    (lambda c: c.get_run(ID), OBJECT, "GET", f"/v1/run/{ID}", []),
    (lambda c: c.get_entity_body(ID), OBJECT, "GET", f"/v1/entity/{ID}", []),
    (lambda c: c.get_signal_body(ID), OBJECT, "GET", f"/v1/signal/{ID}", []),
    (lambda c: c.get_task(ID), OBJECT, "GET", f"/v1/task/{ID}", []),
    (lambda c: c.get_file(ID), FILE, "GET", f"/v1/files/{ID}", []),
    (lambda c: drain(c.list_files()), page_of("files"), "GET", "/v1/files", [("page", "1"), ("page_size", "100")]),
    (lambda c: c.set_task_config(ID, {"type": "ingest"}), OBJECT, "PUT", f"/v1/task/{ID}", []),
    (lambda c: c.upload_file(CSV), FILE, "POST", "/v1/files/upload", []),
    (lambda c: c.cancel_run(ID), b"", "POST", f"/v1/run/{ID}/cancel", []),
    (
        lambda c: c.get_run_queue(ID, state="queued", include_history=True),
        OBJECT,
        "GET",
        f"/v1/run/{ID}/queue",
        [("offset", "0"), ("limit", "100"), ("state", "queued"), ("include_history", "true")],
    ),
    (
        lambda c: drain(
            c.list_runs(
                task_id=ID,
                status="RUNNING",
                task_type="search",
                created_after=NOON,
                updated_before=datetime(2026, 1, 1, 0, 0, 0, 5000, tzinfo=UTC),
                sort_by="created_at",
                order=-1,
            )
        ),
        page_of("runs"),
        "GET",
        "/v1/run",
        [
            ("task_id", ID),
            ("status", "RUNNING"),
            ("task_type", "search"),
            ("created_after", "2026-01-15T10:00:00Z"),
            ("updated_before", "2026-01-01T00:00:00.005000Z"),
            ("sort_by", "created_at"),
            ("order", "-1"),
            ("page", "1"),
            ("page_size", "100"),
        ],
    ),
    (
        lambda c: drain(c.list_entities(icp_id="i", status=["new", "null"], page_size=50)),
        page_of("entities"),
        "GET",
        "/v1/entity",
        [("icp_id", "i"), ("status", "new"), ("status", "null"), ("page", "1"), ("page_size", "50")],
    ),
    (
        lambda c: drain(c.list_signals(icp_id="i", days=90, search_term="a+b & c=d é %2F/?")),
        page_of("signals"),
        "GET",
        "/v1/signal",
        [("icp_id", "i"), ("days", "90"), ("search_term", "a+b & c=d é %2F/?"), ("page", "1"), ("page_size", "100")],
    ),
    (
        lambda c: drain(c.list_tasks(flow_name="search")),
        page_of("tasks"),
        "GET",
        "/v1/task",
        [("flow_name", "search"), ("page", "1"), ("page_size", "100")],
    ),
    (lambda c: drain(c.list_icps()), page_of("icps"), "GET", "/v1/icp", [("page", "1"), ("page_size", "100")]),
    (
        lambda c: drain(c.list_sheets(icp_id=ID)),
        page_of("sheets"),
        "GET",
        "/v1/sheet",
        [("icp_id", ID), ("page", "1"), ("page_size", "100")],
    ),
]


@pytest.mark.parametrize(("call", "body", "method", "path", "query"), ENDPOINTS)
def test_each_endpoint_asks_for_what_the_api_documents(call, body, method, path, query):
    async def scenario():
        async with serving(always(answer(body, 200 if body else 204))) as server, client_for(server) as client:
            result = await call(client)
            return server.requests, result

    (request,), result = asyncio.run(scenario())

    assert (request.method, request.path, request.query) == (method, path, query)
    assert request.headers["x-api-key"] == KEY
    assert request.headers["user-agent"] == f"linkt-pipeline/{__version__}"
    assert "authorization" not in request.headers
    if isinstance(result, list):
        assert result == ["a", "b"]


@pytest.mark.parametrize("read", ["get_run", "get_task", "get_file"])
def test_an_answer_about_another_one_is_none(read):
    async def scenario():
        async with (
            serving(always(answer(OBJECT if read != "get_file" else FILE))) as server,
            client_for(server) as client,
        ):
            return await getattr(client, read)("e" * 24, **({} if read == "get_task" else {"attempts": 1}))

    with pytest.raises(MalformedBodyError, match=f"about {read[4:]} '{ID}' instead"):
        asyncio.run(scenario())


def test_an_upload_is_multipart_form_data_with_the_files_name_and_bytes():
    async def scenario():
        async with serving(always(answer(FILE))) as server, client_for(server) as client:
            return await client.upload_file(CSV), server.requests

    file, (request,) = asyncio.run(scenario())
    form = f"content-type: {request.headers['content-type']}\r\n\r\n".encode() + request.body
    (part,) = BytesParser(policy=policy.HTTP).parsebytes(form).iter_parts()

    assert part.get_param("name", header="content-disposition") == "file"
    assert (part.get_filename(), part.get_content_type()) == ("fär.csv", "text/csv")
    assert part.get_payload(decode=True) == CSV.content
    assert file.status is FileStatus.PROCESSING


def test_a_task_config_is_sent_alone_so_that_all_else_of_the_task_stays():
    async def scenario():
        async with serving(always(answer(OBJECT))) as server, client_for(server) as client:
            await client.set_task_config(ID, {"type": "ingest", "webhook_url": None})
            return server.requests

    (request,) = asyncio.run(scenario())

    assert request.json == {"task_config": {"type": "ingest", "webhook_url": None}}


@pytest.mark.parametrize("body", [b"{}", b'{"file_id": "../task"}', b'{"file_id": ""}', b"[]", b""])
def test_an_upload_without_a_usable_file_id_is_an_error_that_keeps_the_body(body):
    async def scenario():
        async with serving(always(answer(body))) as server, client_for(server) as client:
            await client.upload_file(CSV)

    with pytest.raises(MalformedBodyError) as found:
        asyncio.run(scenario())

    assert found.value.payload == body.decode()
    assert found.value.status == 200


@pytest.mark.parametrize(
    ("icp_id", "parameters", "sent"),
    [
        (ID, {"num_results": 25}, {"icp_id": ID, "parameters": {"num_results": 25}}),
        (None, {}, {"parameters": {}}),
    ],
)
def test_an_execute_sends_icp_and_parameters_as_json(icp_id, parameters, sent):
    async def scenario():
        async with serving(always(answer(OBJECT))) as server, client_for(server) as client:
            execution = await client.execute_task(ID, icp_id=icp_id, parameters=parameters)
            return server.requests, execution

    (request,), execution = asyncio.run(scenario())

    assert (request.method, request.path, request.json) == ("POST", f"/v1/task/{ID}/execute", sent)
    assert request.headers["content-type"] == "application/json"
    assert execution.run_id == "r"


@pytest.mark.parametrize("bad", ["", "../admin", "a/b", "a?b", "a b", "x" * 65, "é", "a\n", None, 7, "%2e%2e"])
@pytest.mark.parametrize(
    "call",
    [
        lambda c, i: c.execute_task(i, icp_id=None, parameters={}),
        lambda c, i: c.cancel_run(i),
        lambda c, i: c.get_run(i),
        lambda c, i: c.get_run_queue(i),
        lambda c, i: c.get_entity_body(i),
        lambda c, i: c.get_signal_body(i),
        lambda c, i: c.get_task(i),
    ],
)
def test_a_malformed_id_never_reaches_the_wire(call, bad):
    async def scenario():
        async with client_for("http://127.0.0.1:1") as client:
            with pytest.raises(InvalidIdError, match="no request was sent"):
                await call(client, bad)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"a": None}, ""),
        ({"a": True, "b": False}, "a=true&b=false"),
        ({"a": ["x", "y"], "b": ()}, "a=x&a=y"),
        ({"a": datetime(2026, 1, 15, 10, 30, tzinfo=UTC)}, "a=2026-01-15T10%3A30%3A00Z"),
    ],
)
def test_queries_are_written_as_the_api_reads_them(query, text):
    assert encode_query(query) == text


def test_a_time_without_a_zone_is_refused_in_a_query():
    with pytest.raises(ValueError, match="time zone"):
        encode_query({"created_after": datetime(2026, 1, 15)})


def test_every_request_really_made_is_reported_once():
    records: list[RequestRecord] = []

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path.endswith("/cancel"):
            writer.close()
        else:
            writer.write(answer(OBJECT, 404 if "entity" in request.path else 200))

    async def scenario():
        async with serving(behave) as server, client_for(server, on_request=records.append) as client:
            for call in (client.get_run, client.get_entity_body, client.cancel_run):
                with contextlib.suppress(LinktApiError):
                    await call(ID)

    asyncio.run(scenario())

    assert [(r.endpoint, r.status) for r in records] == [
        ("GET /v1/run/{run_id}", 200),
        ("GET /v1/entity/{entity_id}", 404),
        ("POST /v1/run/{run_id}/cancel", None),
    ]
    assert all(r.at.tzinfo is UTC and 0 < r.seconds < 2 for r in records)


def test_a_run_that_was_paid_for_is_not_lost_to_its_bookkeeping(caplog):
    def fail(_: RequestRecord) -> None:
        raise OSError("disk full")

    async def scenario():
        async with serving(always(answer(OBJECT))) as server, client_for(server, on_request=fail) as client:
            return await client.execute_task(ID, icp_id=None, parameters={})

    assert asyncio.run(scenario()).run_id == "r"
    assert "could not be counted" in caplog.text


ECHO = f'{{"detail": "the key {KEY} is not welcome", "x": "{KEY}"}}'.encode()


def every_text_of(error: BaseException) -> str:
    """What any log, traceback or debugger might show of an error and of all it is chained to."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    shown = "".join("".join(traceback.format_exception(e)) for e in seen)
    return shown + "".join(f"{e!r} {e} {e.__dict__}" for e in seen)


@pytest.mark.parametrize("spell", [lambda c: f"\\u{ord(c):04x}", lambda c: f"\\u{ord(c):04X}" if c == "-" else c])
def test_a_key_in_json_escapes_is_taken_out_before_anything_reads_it(spell):
    escaped = "".join(map(spell, KEY))
    body = f'{{"id": "{ID}", "data": {{"name": {{"value": "caf\\u00e9 {escaped}"}}}}}}'.encode()

    async def scenario():
        async with serving(always(answer(body))) as server, client_for(server) as client:
            return parse_entity(await client.get_entity_body(ID))

    assert asyncio.run(scenario()).data == {"name": {"value": f"café {REDACTED}"}}


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(ECHO, 401), id="echoed in a refusal"),
        pytest.param(answer(ECHO, 500), id="echoed in a failure"),
        pytest.param(answer(b"x" * 495 + KEY.encode(), 500), id="across the end of the excerpt"),
        pytest.param(answer(b"<html><b>" + KEY.encode(), 502), id="in html"),
        pytest.param(answer(ECHO[:-1], 200), id="in a malformed body"),
        pytest.param(answer(b"", 302, location=f"https://elsewhere.example/?k={KEY}"), id="in a redirect"),
        pytest.param(b"HTTP/1.1 " + KEY.encode() + b"\r\n\r\n", id="in a broken status line"),
        pytest.param(b"", id="nothing at all"),
    ],
)
def test_the_key_is_in_no_error_and_no_log(reply, bulk, caplog):
    caplog.set_level(logging.DEBUG)

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        if not reply.startswith(b"HTTP/1.1 2"):
            await writer.drain()
            writer.close()

    async def scenario():
        async with serving(behave) as server, client_for(server, retry_for=timedelta(seconds=0.05)) as client:
            with pytest.raises(LinktApiError) as caught:
                await (client.get_entity_body(ID) if bulk else client.get_run(ID))
            return caught.value, f"{client!r} {client._transport!r} {vars(client)}"

    error, client_shown = asyncio.run(scenario())

    assert KEY[:12] not in every_text_of(error)
    assert KEY[:12] not in caplog.text
    assert KEY[:12] not in client_shown
    assert error.__context__ is None
    assert len(error.body_excerpt) <= 500


def test_the_key_is_in_no_request_object_of_httpx():
    async def scenario():
        async with serving(always(answer(OBJECT))) as server, client_for(server) as client:
            sent = []
            for http in (client._transport._reads, client._transport._writes):
                http.event_hooks = {"request": [lambda request: _remember(sent, request)]}
            await client.get_run(ID)
            await client.cancel_run(ID)
            return sent, server.requests

    sent, arrived = asyncio.run(scenario())

    assert len(sent) == 2
    assert all(KEY not in repr(request.headers) + str(request.headers.raw) for request in sent)
    assert all(request.headers["x-api-key"] == KEY for request in arrived)


async def _remember(sent, request):
    sent.append(request)


@pytest.mark.parametrize(
    ("body", "readable"),
    [
        (b'{"detail": "Entity not found"}', "Entity not found"),
        (b'{"error": "forbidden", "message": "No access"}', "forbidden: No access"),
        (b'{"detail": [{"loc": ["body", "name"], "msg": "Field required"}]}', "body.name: Field required"),
        (b'{"detail": {"message": "nested"}}', "nested"),
        (b"Internal Server Error", "Internal Server Error"),
        (b"<html><head><title>502</title></head><body><h1>Bad &amp; gone</h1></body></html>", "Bad & gone"),
        (b"", "the answer gives no reason"),
        (b'{"unknown": 1}', '{"unknown": 1}'),
        (b"\xff\xfe", "\ufffd"),
    ],
)
def test_every_error_body_gives_a_readable_line(body, readable):
    async def scenario():
        async with serving(always(answer(body, 500))) as server, client_for(server) as client:
            with pytest.raises(LinktApiError) as caught:
                await client.get_run(ID)
            return str(caught.value)

    message = asyncio.run(scenario())

    assert readable in message
    assert "<" not in message
    assert "\n" not in message


SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("error_*")), ids=lambda path: path.name)
def test_every_sample_of_an_error_gives_a_readable_line(sample):
    status = int(sample.name.split("_")[1].split(".")[0])

    async def scenario():
        async with serving(always(answer(sample.read_bytes(), status))) as server, client_for(server) as client:
            with pytest.raises(LinktApiError) as caught:
                await client.get_run(ID)
            return caught.value

    error = asyncio.run(scenario())

    assert error.status == status
    assert str(error).startswith(f"GET /v1/run/{ID}: {status} ")
    assert "<" not in str(error)
    assert error.body_excerpt in sample.read_text()
    if "alt_code_shape" in sample.name and status == 429:
        assert error.retry_after == timedelta(seconds=42)


def test_bodies_compressed_by_the_server_are_read():
    reply = answer(gzip.compress(OBJECT), content_encoding="gzip")

    async def scenario():
        async with serving(always(reply)) as server, client_for(server) as client:
            return await client.get_task(ID), await client.get_entity_body(ID)

    task, body = asyncio.run(scenario())

    assert parse_entity(body).payload == task.payload == OBJECT.decode()


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("https://api.linkt.ai", {}, None),
        ("https://api.linkt.ai", {"https_proxy": "http://proxy.example:3128"}, "http://proxy.example:3128"),
        ("https://api.linkt.ai", {"http_proxy": "http://proxy.example:3128"}, None),
        ("https://api.linkt.ai", {"all_proxy": "http://proxy.example:3128"}, "http://proxy.example:3128"),
        ("https://api.linkt.ai", {"https_proxy": "http://p.example:1", "no_proxy": "linkt.ai"}, None),
        ("http://127.0.0.1:8000", {"http_proxy": "http://proxy.example:3128"}, None),
        ("http://localhost:8000", {"http_proxy": "http://proxy.example:3128"}, None),
    ],
)
def test_a_proxy_of_the_environment_is_used_but_never_for_loopback(url, environment, proxy, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert proxy_for(url) == proxy


@pytest.mark.parametrize("call", [lambda c: c.get_run(ID), lambda c: c.get_entity_body(ID)])
def test_requests_go_through_the_proxy(call, monkeypatch):
    async def scenario():
        async with serving(always(answer(OBJECT))) as proxy:
            monkeypatch.setattr("linkt_pipeline.api.transport.proxy_for", lambda _: proxy.url)
            async with client_for("http://linkt.invalid") as client:
                await call(client)
            return proxy.requests

    (request,) = asyncio.run(scenario())

    assert request.target.startswith("http://linkt.invalid/v1/")


def test_importing_the_client_brings_neither_dagster_nor_a_database():
    script = "import sys, linkt_pipeline.api; print([m for m in ('dagster','duckdb','polars') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_key_is_a_secret_from_the_start():
    assert KEY not in repr(LinktClient("http://127.0.0.1:1", SecretStr(KEY)).__dict__)


@pytest.mark.parametrize("depth", [150, 10_000])
@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_an_error_body_nested_deeply_is_an_error_like_any_other(status, depth):
    body = b'{"retry_after": 1, "detail": ' + b"[" * depth + b"]" * depth + b"}"

    async def scene():
        async with serving(always(answer(body, status))) as server, client_for(server) as client:
            with pytest.raises(LinktApiError) as caught:
                await client.get_run(ID)
            return caught.value

    assert asyncio.run(scene()).status == status
