"""Serving the sandbox on loopback: in a thread for tests, or blocking for the command."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from linkt_pipeline.sandbox.errors import SandboxError
from linkt_pipeline.sandbox.faults import Fault, parse_fault
from linkt_pipeline.sandbox.http.app import create_app
from linkt_pipeline.sandbox.key import SANDBOX_KEY
from linkt_pipeline.sandbox.world.world import World

HOST = "127.0.0.1"
_START_SECONDS = 10.0


class _OpenProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # which class it is depends on what is installed
    """uvicorn's protocol, with the connection put where a fault can reset it."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, "transport": transport}


class Sandbox:
    """A sandbox that is being served.

    Attributes:
        url: base URL for a client.
        api_key: the key it accepts.
        world: everything behind the API, for inspection.
    """

    def __init__(self, url: str, api_key: str, world: World) -> None:
        self.url = url
        self.api_key = api_key
        self.world = world

    def inject(self, spec: str) -> Fault:
        """Let something go wrong, for example ``lost_reply`` or ``http_503=2@get_run*3``.

        The result counts how often the fault acted.

        Raises:
            FaultSpecError: the fault can't be read.
        """
        return self.world.faults.add(parse_fault(spec))

    def run_count(self, task_id: str | None = None) -> int:
        """How many runs exist, of one task or of all."""
        return self.world.run_count(task_id)


def bind(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 picks a free one.

    Raises:
        SandboxError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise SandboxError(f"port {port} can't be used for the sandbox: {error}; choose another with --port") from None
    listener.listen(512)
    return listener


def make_server(app: Any) -> uvicorn.Server:
    """A quiet uvicorn server whose connections faults can reset."""
    config = uvicorn.Config(
        app,
        http=_OpenProtocol,
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def running_sandbox(state_dir: Path | None = None, **options: Any) -> Iterator[Sandbox]:
    """Serve a sandbox from a thread on a free loopback port for the length of a ``with`` block.

    Args:
        state_dir: where its world is kept; None for memory.
        **options: as :func:`linkt_pipeline.sandbox.http.app.create_app` takes them.
    """
    app = create_app(state_dir, **options)
    world: World = app.state.world
    with bind(0) as listener:
        server = make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
        thread.start()
        try:
            # The socket listens already: a client that is too early waits in its backlog instead of failing.
            key = options.get("api_key", SANDBOX_KEY)
            yield Sandbox(f"http://{HOST}:{listener.getsockname()[1]}", key or SANDBOX_KEY, world)
        finally:
            server.should_exit = server.force_exit = True  # a test's clients may still hold their connections
            thread.join(_START_SECONDS)
            world.close()
