"""A page of another site, in a real browser, against the UI: it may not start a run, and the UI works as ever."""

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.end_to_end.dagster_dev import DagsterDev

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
REBOUND = "rebound.example"  # a name of the attacker's that leads to this machine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]

LAUNCH = (
    'mutation { launchRun(executionParams: { selector: { repositoryLocationName: "linkt_pipeline", repositoryName: '
    '"__repository__", jobName: "__ASSET_JOB", assetSelection: [{ path: ["linkt", "executions"] }] }, '
    'runConfigData: {}, executionMetadata: { tags: [{ key: "dagster/partition", value: "enterprise_saas_search" }] } '
    "}) { __typename } }"
)

# Each tries to launch the paid asset at URL, and ends when the browser has sent what it is willing to send.
ATTACKS = {
    "image": """
        await new Promise(done => { const image = new Image(); image.onload = image.onerror = done;
            image.src = URL_ + '?query=' + encodeURIComponent(LAUNCH); document.body.append(image); })
    """,
    "image without a referrer": """
        await new Promise(done => { const image = new Image(); image.referrerPolicy = 'no-referrer';
            image.onload = image.onerror = done; image.src = URL_ + '?query=' + encodeURIComponent(LAUNCH); })
    """,
    "form": """
        await new Promise(done => {
            const frame = document.createElement('iframe'); frame.name = 'hidden'; document.body.append(frame);
            const form = document.createElement('form'); form.method = 'POST'; form.target = 'hidden';
            form.action = URL_ + '?query=' + encodeURIComponent(LAUNCH); document.body.append(form);
            frame.onload = done; form.submit(); })
    """,
    "fetch without CORS": """
        await fetch(URL_ + '?query=' + encodeURIComponent(LAUNCH), {method: 'POST', mode: 'no-cors'}).catch(() => 0)
    """,
    "fetch of plain text": """
        await fetch(URL_ + '?query=' + encodeURIComponent(LAUNCH), {method: 'POST', mode: 'no-cors',
            headers: {'content-type': 'text/plain'}, body: JSON.stringify({query: LAUNCH})}).catch(() => 0)
    """,
    "fetch of plain text that calls itself JSON": """
        await fetch(URL_, {method: 'POST', mode: 'no-cors', headers: {'content-type': 'text/plain;application/json'},
            body: JSON.stringify({query: LAUNCH})}).catch(() => 0)
    """,
    "websocket": """
        window.opened = await new Promise(done => {
            const socket = new WebSocket(URL_.replace('http', 'ws'), 'graphql-ws');
            socket.onopen = () => done(true); socket.onerror = socket.onclose = () => done(false); })
    """,
}


class _Attacker(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><title>a page like any other</title><body></body>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def attacker() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Attacker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",
        ]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    yield page
    page.close()


def runs_of(dagster: DagsterDev) -> list[str]:
    found = dagster.graphql("{ runsOrError { ... on Runs { results { runId } } } }")
    return [run["runId"] for run in found["runsOrError"]["results"]]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_page_of_another_site_launches_nothing(dagster, attacker, page, attack):
    before = runs_of(dagster)
    answers: list[int] = []
    page.on("response", lambda reply: answers.append(reply.status) if "/graphql" in reply.url else None)
    page.goto(attacker)

    page.evaluate(f"async ([URL_, LAUNCH]) => {{ {ATTACKS[attack]} }}", [f"{dagster.url}/graphql", LAUNCH])

    assert runs_of(dagster) == before
    if attack == "websocket":
        assert page.evaluate("window.opened") is False
    else:
        assert set(answers) <= {403, 405, 415}
        assert answers, "the browser sent nothing, so nothing was tried"


def test_a_page_by_a_rebound_name_reads_nothing_and_launches_nothing(dagster, page):
    """The browser takes it for the UI's own page: only the name in the address tells."""
    before = runs_of(dagster)
    port = urlsplit(dagster.url).port

    shown = page.goto(f"http://{REBOUND}:{port}/")
    asked = page.evaluate(
        """async query => {
            const reply = await fetch('/graphql', {method: 'POST', headers: {'content-type': 'application/json'},
                body: JSON.stringify({query})});
            return [reply.status, await reply.text()] }""",
        LAUNCH,
    )

    assert shown.status == 403
    assert asked[0] == 403
    assert "linkt" not in asked[1].replace("LINKT_UI_HOSTS", "")
    assert runs_of(dagster) == before


def test_no_page_shows_the_ui_in_a_frame(dagster, attacker, page):
    page.goto(attacker)
    page.evaluate(
        """url => new Promise(done => { const frame = document.createElement('iframe'); frame.id = 'f';
            frame.onload = done; frame.src = url; document.body.append(frame); })""",
        dagster.url,
    )
    framed = page.frame(url=f"{dagster.url}/**")
    assert framed is None or "Refused" in framed.content()


def test_the_ui_works_as_ever(dagster, page, tmp_path: Path):
    failed: list[str] = []
    sockets: list[str] = []
    page.on("response", lambda reply: failed.append(reply.url) if reply.status in (403, 405, 415) else None)
    page.on("websocket", lambda socket: sockets.append(socket.url))

    page.goto(f"{dagster.url}/assets/linkt/executions")
    page.get_by_text("Costs credits").first.wait_for()
    launched = page.evaluate(
        """async query => (await (await fetch('/graphql', {method: 'POST',
            headers: {'content-type': 'application/json'}, body: JSON.stringify({query})})).json()).data""",
        LAUNCH.replace("__typename", "... on LaunchRunSuccess { run { runId } } ... on PythonError { message }"),
    )
    run_id = launched["launchRun"]["run"]["runId"]
    with page.expect_event("websocket"):  # the run's log is a subscription
        page.goto(f"{dagster.url}/runs/{run_id}")
    page.get_by_text("STEP_START").first.wait_for()
    with page.expect_download() as download:
        page.evaluate(
            "url => { const a = document.createElement('a'); a.href = url; a.download = ''; a.click() }",
            f"/download_debug/{run_id}",
        )
    assert Path(download.value.path()).stat().st_size > 0
    dagster.terminate(run_id)
    dagster.wait_until(run_id)

    assert failed == []
    assert sockets
    assert run_id in runs_of(dagster)


def test_a_link_to_the_ui_opens_it(dagster, attacker, page):
    page.goto(attacker)
    page.evaluate(
        "url => { const a = document.createElement('a'); a.href = url; a.id = 'link'; a.textContent = 'UI';"
        " document.body.append(a); }",
        f"{dagster.url}/assets",
    )
    page.click("#link")
    page.wait_for_url(f"{dagster.url}/assets")
    page.get_by_text("Catalog").first.wait_for()
