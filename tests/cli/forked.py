"""Processes that begin as copies of one that has imported Dagster.

To import it is a third of what a command of a test costs. So a server imports it once, and forks for each command: a
process with an environment, folder, session and streams of its own, that is killed and interrupted like any other. That
a command starts without this is what tests/end_to_end is for.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO

_ROOT = Path(__file__).parents[2]
# Not polars and DuckDB, which start threads when they are imported.
_IMPORTED = ("dagster", "grpc", "httpx", "httpx_aiohttp", "pydantic", "rich.console", "sqlalchemy.dialects.sqlite")


class ForkedProcess:
    """A running command; what tests use of :class:`subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self._server = socket.socket(socket.AF_UNIX)
        self._server.connect(_address())
        (out, out_of_child), (err, err_of_child) = os.pipe(), os.pipe()
        wanted = {"arguments": self.args, "folder": str(folder), "env": dict(env)}
        socket.send_fds(self._server, [json.dumps(wanted).encode() + b"\n"], [out_of_child, err_of_child])
        os.close(out_of_child)
        os.close(err_of_child)
        self._replies = self._server.makefile()
        self.pid = int(self._replies.readline())
        self.stdout: TextIO = os.fdopen(out, encoding="utf-8")
        self.stderr: TextIO = os.fdopen(err, encoding="utf-8")
        self._ended = threading.Event()
        threading.Thread(target=self._wait_for_end, daemon=True).start()

    def _wait_for_end(self) -> None:
        self.returncode = int(self._replies.readline())
        self._ended.set()
        self._server.close()

    def wait(self, timeout: float | None = None) -> int:
        """As of ``Popen``."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def poll(self) -> int | None:
        """As of ``Popen``."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """As of ``Popen``."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """As of ``Popen``."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """As of ``Popen``, once."""
        texts = {}

        def read(stream: TextIO) -> None:
            with stream:
                texts[stream] = stream.read()

        readers = [threading.Thread(target=read, args=(stream,), daemon=True) for stream in (self.stdout, self.stderr)]
        for reader in readers:
            reader.start()
        deadline = None if timeout is None else time.monotonic() + timeout
        self.wait(timeout)
        for reader in readers:
            reader.join(None if deadline is None else max(deadline - time.monotonic(), 0))
            if reader.is_alive():  # what the command has started still writes
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return texts[self.stdout], texts[self.stderr]


@cache
def _address() -> str:
    """Of the server of this test process, which ends with it."""
    ready, of_server = os.pipe()
    subprocess.Popen(
        [sys.executable, "-m", __name__, str(of_server)], cwd=_ROOT, pass_fds=[of_server], stdin=subprocess.DEVNULL
    )
    os.close(of_server)
    with os.fdopen(ready, encoding="utf-8") as reply:
        return "\0" + reply.readline().rstrip("\n")


def _serve(ready: int) -> None:
    """Fork for each connection until nobody is left who may ask."""
    for name in _IMPORTED:
        import_module(name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a process with threads must not be forked"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the guards
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0linkt-commands-{os.getpid()}")  # abstract: there is no file to remove
        server.listen(16)
        server.settimeout(5)
        with os.fdopen(ready, "w", encoding="utf-8") as reply:
            reply.write(f"linkt-commands-{os.getpid()}\n")
        while os.getppid() == parent:
            with suppress(TimeoutError):
                client, _ = server.accept()
                if os.fork() == 0:
                    server.close()
                    _guard(client)
                client.close()


def _guard(client: socket.socket) -> None:
    """Start one command, and tell who asked how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    wanted, streams, _, _ = socket.recv_fds(client, 2**16, 2)
    while not wanted.endswith(b"\n"):
        wanted += client.recv(2**16)
    child = os.fork()
    if child == 0:
        client.close()
        _become_command(json.loads(wanted), *streams)
    for stream in streams:
        os.close(stream)
    client.sendall(f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    with suppress(OSError):  # a test that killed it may not wait for it
        client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become_command(wanted: dict[str, Any], out: int, err: int) -> NoReturn:
    os.setsid()
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    sys.path[0] = wanted["folder"]
    sys.argv = ["linkt-pipeline", *wanted["arguments"]]
    raise _Becomes


class _Becomes(BaseException):
    """Leaves the server behind: what runs then is the command, to the end of its interpreter."""


if __name__ == "__main__":
    try:
        _serve(int(sys.argv[1]))
    except _Becomes:
        pass
    else:
        sys.exit()
    from linkt_pipeline.cli.main import main

    main()
