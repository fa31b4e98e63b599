"""One sandbox per folder in the background; its first user starts it: ``dagster dev``, the UI, the command."""

import fcntl
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from linkt_pipeline.sandbox.errors import SandboxError
from linkt_pipeline.sandbox.key import SANDBOX_KEY

ADDRESS_FILE = "sandbox.json"
IDLE_MINUTES = 30.0
_STARTING_LOCK = "starting.lock"
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


def ensure_sandbox(state_dir: Path, *, idle_minutes: float = IDLE_MINUTES, arguments: Sequence[str] = ()) -> str:
    """The URL of the sandbox that serves this folder; one is started if none is alive.

    Callers that come at the same time start one sandbox together. The sandbox outlives its caller and stops by itself
    after ``idle_minutes`` without a request. When it starts again, it takes its old port if that is free.

    Args:
        state_dir: where its world is kept.
        idle_minutes: how long the sandbox lives without a request.
        arguments: further options of ``linkt-pipeline sandbox``, such as ``--speed 5``; without effect
            if the sandbox is up already.

    Raises:
        SandboxError: it does not start; says where its log is.
    """
    state_dir = state_dir.absolute()
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        with _alone(state_dir):
            return find_sandbox(state_dir) or _start(state_dir, idle_minutes, arguments)
    except OSError as error:
        raise SandboxError(f"{state_dir}: the sandbox can't keep its data here: {error}") from None


def find_sandbox(state_dir: Path) -> str | None:
    """The URL of the sandbox that serves this folder, if one is alive."""
    url = _address(state_dir)
    if url is None:
        return None
    health = _ask(url, "GET", "/_sandbox/health")
    return url if health is not None and health.get("state_dir") == str(state_dir.absolute()) else None


def stop_sandbox(state_dir: Path) -> None:
    """Stop the sandbox that serves this folder and wait until it is gone; nothing happens if there is none.

    Raises:
        SandboxError: it does not stop.
    """
    url = find_sandbox(state_dir)
    if url is None:
        return
    _ask(url, "POST", "/_sandbox/shutdown")
    deadline = time.monotonic() + _STOP_SECONDS
    while find_sandbox(state_dir) is not None:
        if time.monotonic() > deadline:
            raise SandboxError(f"the sandbox at {url} was asked to stop, but still answers after {_STOP_SECONDS:g} s")
        time.sleep(0.02)


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    with (state_dir / _STARTING_LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held for a start at most, and that is bounded
        yield


def _start(state_dir: Path, idle_minutes: float, more: Sequence[str]) -> str:
    log = state_dir / "sandbox.log"
    package_root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    options = {"port": _port_to_take(state_dir), "state-dir": state_dir, "idle-minutes": idle_minutes}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with log.open("ab") as output:
        # A session of its own: Ctrl-C at the caller's terminal must not end what others use as well.
        child = subprocess.Popen(  # noqa: S603 our own interpreter and module
            [sys.executable, "-m", "linkt_pipeline.sandbox", *arguments, *more],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while (url := find_sandbox(state_dir)) is None:
        if child.poll() is not None:
            raise SandboxError(f"the sandbox did not start (exit code {child.returncode}); its log is {log}")
        if time.monotonic() > deadline:
            child.terminate()
            raise SandboxError(f"the sandbox did not answer within {_START_SECONDS:g} s; its log is {log}")
        time.sleep(0.02)
    return url


def _port_to_take(state_dir: Path) -> int:
    """The port it had before, so that a client made then still works; 0 for any."""
    url = _address(state_dir)
    port = (urlsplit(url).port if url else None) or 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _address(state_dir: Path) -> str | None:
    try:
        return str(json.loads((state_dir / ADDRESS_FILE).read_text())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _ask(url: str, method: str, path: str) -> dict[str, Any] | None:
    """A JSON answer of a sandbox; None if nobody, or somebody else, answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request(method, path, headers={"x-api-key": SANDBOX_KEY})
        value = json.loads(connection.getresponse().read() or b"{}")
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return value if isinstance(value, dict) else None
