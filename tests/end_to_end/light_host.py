"""A host of a shared lake without Dagster: light processes with a name of a host, and a way to PostgreSQL to be cut.

A process gives itself its host's name, so that nobody looks for processes of the other host among its own.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.postgres import HOST

LEASE = 6.0  # seconds

WORKER = """
import asyncio, socket, sys
host, catalog, files, folder, url, key, lease, rest, starters = sys.argv[1:]
socket.gethostname = lambda: host
from datetime import timedelta
from pydantic import SecretStr
from linkt_pipeline.access.client import connect
from linkt_pipeline.collection.fetch import fetch_pending
from linkt_pipeline.collection.resources import ENTITIES, SIGNALS
from linkt_pipeline.collection.runs import collect_runs
from linkt_pipeline.executions.execute import execute_tasks
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.lease_owner import Owner
from tests.end_to_end.storm_tasks import TASKS
from tests.executions.scene import TIMING
from tests.lake import lake_at

def report(event):
    print(event.text, flush=True)

async def work():
    lake = lake_at(catalog, files, folder=folder, lock_timeout=timedelta(seconds=10))
    ledger = ledger_of(lake, lease=timedelta(seconds=float(lease)))
    async with connect(url, SecretStr(key), lake, requests_per_minute=6000, retry_for=timedelta(seconds=5)) as client:
        async def start():
            worker = Worker(client, lake, ledger, report, TIMING, owner=Owner.this_process())
            for outcome in await execute_tasks(worker, TASKS if rest == "rest" else TASKS[:1]):
                print("outcome", outcome.task.key, outcome.error or "succeeded", flush=True)
        await asyncio.gather(*(start() for _ in range(int(starters))))
        if rest == "rest":
            await collect_runs(client, lake)
            await fetch_pending(client, lake, ENTITIES)
            await fetch_pending(client, lake, SIGNALS)

print("ready", flush=True)
asyncio.run(work())
print("done", flush=True)
"""


class LightHost:
    """A host with a data folder, and a way of its own to the PostgreSQL that all share.

    Args:
        name: of the host.
        catalog: URL of the database.
        files: folder of the Parquet files.
        folder: in which the host gets one of its own.
    """

    def __init__(self, name: str, catalog: str, files: Path, folder: Path) -> None:
        self.name, self.files, self.folder = name, files, folder / name
        self.folder.mkdir(parents=True)
        there = urlsplit(catalog)
        self.way = Way(int(there.port or 0))
        self.catalog = there._replace(netloc=f"{there.netloc.rpartition(':')[0]}:{self.way.port}").geturl()

    def start(
        self, url: str, key: str, *, lease: float = LEASE, rest: bool = True, starters: int = 1
    ) -> subprocess.Popen[str]:
        """A worker of this host, past its imports.

        Args:
            url: of the API.
            key: for it.
            lease: seconds for which an execution belongs to a process.
            rest: all tasks, then the collection of runs and of all that is pending. If False, the first task alone.
            starters: so many start them side by side, as processes of their own would.
        """
        given = [self.name, self.catalog, self.files, self.folder, url, key, lease]
        given += ["rest" if rest else "one", starters]
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *map(str, given)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate(timeout=30)[0]
        return process


class Way:
    """A relay to a port of this machine that can be cut, so that neither side hears of the other any more.

    Attributes:
        port: where it listens.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((HOST, 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._open = threading.Event()
        self._open.set()
        self._ends: list[tuple[socket.socket, socket.socket]] = []
        self._guard = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """Both sides give up their connections, as they do when the other is silent; new ones get no answer."""
        self._open.clear()
        with self._guard:
            ends, self._ends = self._ends, []
        for pair in ends:
            for end in pair:
                _shut(end)

    def mend(self) -> None:
        """Let new connections pass."""
        self._open.set()

    def close(self) -> None:
        """Let nothing pass any more."""
        _shut(self._listener)
        self.cut()
        self.mend()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=[here], daemon=True).start()

    def _connect(self, here: socket.socket) -> None:
        self._open.wait()
        try:
            there = socket.create_connection((HOST, self._target))
        except OSError:
            _shut(here)
            return
        with self._guard:
            if not self._open.is_set():  # cut meanwhile
                _shut(here)
                _shut(there)
                return
            self._ends.append((here, there))
        back = threading.Thread(target=self._carry, args=[there, here], daemon=True)
        back.start()
        self._carry(here, there)
        back.join()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        _shut(target)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def wait_or(kill: Callable[[], None], process: subprocess.Popen[str], seconds: float) -> bool:
    """Give a process so much time, then do something about it. Returns whether that was necessary."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill()
        return True
    return False


def signalled(process: subprocess.Popen[str], number: int) -> None:
    """Send a signal to a process that may have ended."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)
