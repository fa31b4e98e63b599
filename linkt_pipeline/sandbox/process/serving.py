"""Serving the sandbox as a process of its own, until it is interrupted, asked to stop, or idle for long."""

import fcntl
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import uvicorn

from linkt_pipeline.sandbox.errors import SandboxError
from linkt_pipeline.sandbox.http.app import create_app
from linkt_pipeline.sandbox.key import SANDBOX_KEY
from linkt_pipeline.sandbox.process.server import HOST, bind, make_server
from linkt_pipeline.sandbox.world.reference_data import SAAS, SEARCH_TASK, reference_data
from linkt_pipeline.sandbox.world.world import World

ADDRESS_FILE = "sandbox.json"
_TAKE_OVER_SECONDS = 3.0  # the one before may have stopped answering, but not ended yet
_SERVING_LOCK = "serving.lock"


def serve(
    port: int,
    state_dir: Path | None = None,
    *,
    idle_minutes: float | None = None,
    announce: Callable[[str], None] | None = None,
    **options: Any,
) -> None:
    """Serve on loopback until stopped; returns after a clean stop.

    Args:
        port: 0 picks a free one.
        state_dir: where the world is kept and the address is written; None keeps the world in memory.
        idle_minutes: stop after so long without a request.
        announce: called once, with a few lines on how to use the sandbox.
        **options: as :func:`linkt_pipeline.sandbox.http.app.create_app` takes them.

    Raises:
        SandboxError: the port is taken, or another process serves this folder.
    """
    servers: list[uvicorn.Server] = []

    def shut_down() -> None:
        servers[0].should_exit = True

    with _only_server_of(state_dir), bind(port) as listener:
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        app = create_app(state_dir, shut_down=shut_down, **options)
        world: World = app.state.world
        servers.append(make_server(app))
        if state_dir is not None:
            write_address(state_dir, url)
        watch = (servers[0], world, state_dir, idle_minutes * 60 if idle_minutes else math.inf)
        threading.Thread(target=_stop_when_of_no_use, args=watch, daemon=True).start()
        if announce:
            announce(describe(url, options.get("api_key", SANDBOX_KEY)))
        try:
            servers[0].run(sockets=[listener])
        except KeyboardInterrupt:  # uvicorn raises it again after its own clean stop
            pass
        finally:
            world.close()


def describe(url: str, api_key: str | None) -> str:
    """How to use a sandbox: address, key, tasks and an example."""
    tasks = "\n".join(f"  {task['id']}  {task['flow_name']:<13} {task['name']}" for task in reference_data()["task"])
    return (
        f"Sandbox of the Linkt API at {url} (made-up data, no credits)\n"
        f"Key: {api_key or 'any'}\nTasks:\n{tasks}\nTry:\n"
        f"  curl -s -X POST {url}/v1/task/{SEARCH_TASK}/execute -H 'x-api-key: {api_key or 'any'}' \\\n"
        f'    -H \'content-type: application/json\' -d \'{{"icp_id": "{SAAS}", "parameters": {{"num_results": 5}}}}\'\n'
        f"  curl -s {url}/v1/run -H 'x-api-key: {api_key or 'any'}'"
    )


def write_address(state_dir: Path, url: str) -> None:
    """Note where the folder's sandbox answers; readers see the old note or the new one, never half of it."""
    beside = state_dir / f"{ADDRESS_FILE}.{os.getpid()}"
    beside.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    beside.replace(state_dir / ADDRESS_FILE)


@contextmanager
def _only_server_of(state_dir: Path | None) -> Iterator[None]:
    """One process at a time serves a folder; the lock goes with the process, however it ends."""
    if state_dir is None:
        yield
        return
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = (state_dir / _SERVING_LOCK).open("w")
    except OSError as error:
        raise SandboxError(f"{state_dir}: the sandbox can't keep its data here: {error}") from None
    with lock:
        deadline = time.monotonic() + _TAKE_OVER_SECONDS
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"{state_dir} is served by another sandbox already (its address is in {ADDRESS_FILE} there); "
                    "stop that one or choose another --state-dir"
                )
            time.sleep(0.05)
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _stop_when_of_no_use(server: uvicorn.Server, world: World, state_dir: Path | None, idle_seconds: float) -> None:
    """Stop a server that had no request for long, or whose folder was deleted, so that nobody can find it."""
    while time.time() < world.requests.last_at + idle_seconds:
        if state_dir is not None and not (state_dir / ADDRESS_FILE).exists():
            break
        time.sleep(min(1.0, idle_seconds))
    server.should_exit = True
