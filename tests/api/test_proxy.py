"""What a proxy between here and Linkt gets to see: where the tunnel leads, and nothing of what goes through it."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import httpx
import pytest
import trustme

from linkt_pipeline.api import RequestNotSentError

from .connect_proxy import tunnelling
from .raw_server import ID, KEY, always, answer, client_for, serving
from .test_client import ENDPOINTS, OBJECT

HOST = "api.linkt.test"
PATIENT = httpx.Timeout(10.0)
REQUESTS = [
    *(pytest.param(call, body, method, id=f"{method} {path}") for call, body, method, path, _ in ENDPOINTS),
    pytest.param(lambda c: c.execute_task(ID, icp_id=ID, parameters={}), OBJECT, "POST", id="execute"),
]


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def certificate_for(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


@asynccontextmanager
async def client_behind_proxy(authority, monkeypatch, body, *, secure_proxy=False, **proxy_options):
    """A client of ``https://api.linkt.test``, which only the proxy can reach."""
    proxy_tls = certificate_for(authority, "localhost") if secure_proxy else None
    async with (
        serving(always(answer(body, 200 if body else 204)), certificate_for(authority, HOST)) as linkt,
        tunnelling(linkt.url, proxy_tls, **proxy_options) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url.replace("://", "://somebody:proxy-password@"))
        for name in ("no_proxy", "NO_PROXY", "HTTPS_PROXY"):
            monkeypatch.delenv(name, raising=False)
        async with client_for(f"https://{HOST}", timeouts=PATIENT) as client:
            yield client, proxy, linkt


@pytest.mark.parametrize("secure_proxy", [False, True], ids=["http proxy", "https proxy"])
@pytest.mark.parametrize(("call", "body", "method"), REQUESTS)
def test_a_proxy_never_sees_the_key(call, body, method, secure_proxy, authority, trusted, monkeypatch):
    async def scenario():
        behind = client_behind_proxy(authority, monkeypatch, body, secure_proxy=secure_proxy)
        async with behind as (client, proxy, linkt):
            await call(client)
            await call(client)  # on a kept connection, and for a POST on another fresh one
            return proxy, linkt

    proxy, linkt = asyncio.run(scenario())

    assert len(proxy.heads) == (1 if method == "GET" else 2)
    for head in proxy.heads:
        assert head.startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n".encode())
        assert b"x-api-key" not in head.lower()
    assert KEY.encode() not in b"".join(proxy.heads) + proxy.tunnelled
    assert [request.headers["x-api-key"] for request in linkt.requests] == [KEY, KEY]
    assert all("proxy-authorization" not in request.headers for request in linkt.requests)


@pytest.mark.parametrize("call", [lambda c: c.get_run(ID), lambda c: c.get_entity_body(ID), lambda c: c.cancel_run(ID)])
def test_a_proxy_that_refuses_the_tunnel_is_named_without_its_password(call, authority, trusted, monkeypatch):
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"

    async def scenario():
        async with client_behind_proxy(authority, monkeypatch, OBJECT, answer=refusal) as (client, proxy, linkt):
            with pytest.raises(RequestNotSentError, match="407") as caught:
                await call(client)
            return str(caught.value), proxy, linkt

    message, proxy, linkt = asyncio.run(scenario())

    assert b"Proxy-Authorization: Basic" in proxy.heads[0]
    assert "proxy-password" not in message
    assert KEY not in message
    assert linkt.requests == []
