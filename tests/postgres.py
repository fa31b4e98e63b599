"""A real PostgreSQL, from Debian's package, as a process of an ordinary user.

The fixtures ``postgres_server`` (one for each process of the test run) and ``database`` (an empty one for each test)
are in conftest.py. Where PostgreSQL is not installed, tests that ask for them are skipped.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

HOST = "127.0.0.1"
NOBODY = 65534
_START_SECONDS = 90
_STOP_SECONDS = 30


def what_is_missing() -> str | None:
    """Why PostgreSQL can't be started on this machine, if it can't."""
    return None if programs() else "PostgreSQL's server is not installed (Debian: postgresql)"


def programs() -> Path | None:
    """The folder of PostgreSQL's programs; Debian has a folder for each version, and none of them on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens at a port."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


class PostgresServer:
    """A server with one user, who needs a password.

    Attributes:
        port: where it listens.
        user: who may do everything.
        password: theirs.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        user: str = "linkt",
        password: str = "p@ss/word%20 of:the?catalog",  # all that has to be escaped in a URL
        environment: Mapping[str, str] | None = None,
        durable: bool = False,
    ) -> None:
        """Make a cluster in ``folder``, which must belong to an ordinary user if this process is root's.

        Args:
            folder: where the cluster and its log lie.
            port: where to listen; default: one that is free.
            user: who may do everything.
            password: theirs.
            environment: of the server, besides the path.
            durable: a commit waits for the disk.
        """
        found = programs()
        assert found is not None, what_is_missing()
        self._programs, self._folder, self._cluster = found, folder, folder / "cluster"
        self.port, self.user, self.password = port or free_port(), user, password
        self._environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(environment or {})}
        self._fsync = "on" if durable else "off"
        self._server: subprocess.Popen[bytes] | None = None
        given = folder / "password"
        given.write_text(password, encoding="utf-8")
        make = ["initdb", "-D", str(self._cluster), "-U", user, "--no-sync", "-A", "scram-sha-256"]
        self._run([*make, f"--pwfile={given}"], check=True)

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        serve = [str(self._programs / "postgres"), "-D", str(self._cluster), "-p", str(self.port)]
        serve += [
            "-c",
            f"fsync={self._fsync}",
            "-c",
            "unix_socket_directories=",
            "-c",
            f"listen_addresses={HOST}",
            "-c",
            "max_connections=200",
        ]
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [*_as_nobody(), *serve],
                env=self._environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while self._run(["pg_isready", "-q", *self._address]).returncode:
            assert self._server.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server at once; every connection ends. It can be started again."""
        server, self._server = self._server, None
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(_STOP_SECONDS)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(server.pid, signal.SIGKILL)

    def create(self, database: str) -> None:
        """Make an empty database."""
        self._run(["createdb", "-w", "-U", self.user, *self._address, database], check=True)

    def new_database(self) -> str:
        """Make an empty database with a name of its own. Returns its :meth:`url`."""
        name = f"test_{uuid.uuid4().hex}"
        self.create(name)
        return self.url(name)

    def url(self, database: str) -> str:
        """``postgresql://...``, with the password."""
        return f"postgresql://{self.user}:{quote(self.password, safe='')}@{HOST}:{self.port}/{database}"

    def log(self) -> str:
        """The end of what it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-5_000:]

    @property
    def _log(self) -> Path:
        return self._folder / "postgres.log"

    @property
    def _address(self) -> list[str]:
        return ["-h", HOST, "-p", str(self.port)]

    def _run(self, command: Sequence[str], *, check: bool = False) -> subprocess.CompletedProcess[bytes]:
        environment = {**self._environment, "PGPASSWORD": self.password}
        program = str(self._programs / command[0])
        with self._log.open("ab") as log:
            return subprocess.run(
                [*_as_nobody(), program, *command[1:]],
                env=environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                check=check,
            )


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """A server in a folder of its own, which is removed in the end.

    Args:
        durable: see :class:`PostgresServer`.
    """
    folder = Path(tempfile.mkdtemp(prefix="linkt-postgres-"))  # pytest's own folders are closed to other users
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        server = PostgresServer(folder, durable=durable)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _as_nobody() -> Sequence[str]:
    """How root becomes an ordinary user, because PostgreSQL refuses to be root's."""
    if os.geteuid() != 0:
        return ()
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
