"""The services of compose.yaml without Docker: processes of an ordinary user, on this machine's own PostgreSQL.

Commands, variables and working directories are those of compose.yaml and of the Dockerfile. Only what a container
isolates is exchanged: its folders, its ports and the names of its hosts.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests import postgres
from tests.dockerfile import copied_from_here, image_environment, of_image, read_dockerfile
from tests.paths import PROJECT_ROOT
from tests.postgres import HOST, NOBODY, PostgresServer, free_port, listens

GRACE_SECONDS = 30  # what Kubernetes and compose.yaml give
_START_SECONDS = 180
_SHOWN = 20_000  # characters of a log
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
_PORT = re.compile(r"\b(3000|4000|5432)\b")


def what_is_missing() -> str | None:
    """Why the services can't be started on this machine, if they can't."""
    if missing := postgres.what_is_missing():
        return missing
    if shutil.which("tini") is None:
        return "tini is not installed, which the image starts everything with"
    return None


class Composed:
    """The services of compose.yaml, started one by one.

    Attributes:
        data: the data volume.
        url: of the web server.
    """

    def __init__(self, folder: Path, dotenv: Mapping[str, str]) -> None:
        """Write the deployment's files.

        Args:
            folder: a new folder, which any user may enter.
            dotenv: the variables of the `.env` beside compose.yaml.
        """
        self.folder, self._dotenv = folder, dotenv
        self._services = yaml.safe_load((PROJECT_ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
        self._image = read_dockerfile()
        self._ports = {port: str(free_port()) for port in ("3000", "4000", "5432")}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._become = _as_nobody()
        self.data, self.project = folder / "data", folder / "project"
        self.url = f"http://{HOST}:{self._ports['3000']}"
        self._places = {"/data": self.data, "/project": self.project, "/opt/dagster": folder / "dagster"}
        self._places["/opt/linkt/bin"] = Path(sys.executable).parent
        for new in (self.data, self.project, folder / "dagster", folder / "postgres"):
            new.mkdir()
        for owned in (self.data, folder / "postgres"):
            owned.chmod(0o700)
            if os.geteuid() == 0:
                os.chown(owned, NOBODY, NOBODY)
        for _, sources, target in copied_from_here(self._image):
            if target.startswith("/opt/dagster"):
                for source in sources:
                    text = (PROJECT_ROOT / source).read_text(encoding="utf-8")
                    (folder / "dagster" / Path(source).name).write_text(self._here(text), encoding="utf-8")

    def close_project(self) -> None:
        """From here on nobody may write into the project, nor beside the instance's settings."""
        for closed in (self.project, self.folder / "dagster"):
            for path in (*closed.rglob("*"), closed):
                path.chmod(0o555 if path.is_dir() else 0o444)

    def remove(self) -> None:
        """Delete everything that was written."""
        for closed in (self.project, self.folder / "dagster"):
            closed.chmod(0o755)
        shutil.rmtree(self.folder)

    def run(self, service: str) -> None:
        """Start a service that ends by itself, and wait for that."""
        process = self._popen(service)
        assert process.wait(_START_SECONDS) == 0, self.log(service)

    def start(self, *services: str) -> None:
        """Start services, and wait until their health checks pass."""
        for service in services:
            self._processes[service] = self._popen(service)
        deadline = time.monotonic() + _START_SECONDS
        for service in services:
            while not (self._listens(service) and self.is_healthy(service)):
                assert self._processes[service].poll() is None, self.log(service)
                assert time.monotonic() < deadline, self.log(service)
                time.sleep(1)

    def _listens(self, service: str) -> bool:
        """Whether the port of its command is open; a health check, which imports Dagster, is asked after that only."""
        port = _PORT.search(" ".join(self._services[service]["command"]))
        return port is None or listens(int(self._ports[port[1]]))

    def is_healthy(self, service: str) -> bool:
        """What its health check says."""
        kind, *command = self._services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        done = subprocess.run(
            [*self._become, *map(self._here, command)],
            env=self._environment(service),
            cwd=self._working_dir(service),
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def stop(self, service: str) -> float:
        """Stop a service as Docker and Kubernetes do, with SIGTERM to its first process.

        Returns:
            Seconds until it had ended, with all that it had started.
        """
        process = self._processes.pop(service)
        of_container = psutil.Process(process.pid).children(recursive=True)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs([*of_container, psutil.Process(process.pid)], timeout=GRACE_SECONDS)
        took = time.monotonic() - began
        for would_be_killed in set(left) & set(of_container):
            with suppress(psutil.NoSuchProcess):
                would_be_killed.send_signal(signal.SIGABRT)  # what each thread of it does stands in the log then
        psutil.wait_procs(left, timeout=5)
        _kill(process)
        assert left == [], f"{left} would have been killed:\n{self.log(service)}"
        return took

    def users(self) -> set[int]:
        """Ids of the users that the services run as, and whatever they have started."""
        first = [psutil.Process(process.pid) for process in self._processes.values()]
        return {one.uids().effective for top in first for one in (top, *top.children(recursive=True))}

    def stop_all(self) -> None:
        """End whatever runs; the last resort of a test that failed."""
        for process in self._processes.values():
            _kill(process)

    def log(self, service: str) -> str:
        """The end of what a service has printed."""
        return (self.folder / f"{service}.log").read_text(encoding="utf-8", errors="replace")[-_SHOWN:]

    @contextmanager
    def postgres(self) -> Iterator[None]:
        """The database of the service ``postgres``, as a PostgreSQL of this machine."""
        wanted = self._environment("postgres")
        server = PostgresServer(
            self.folder / "postgres",
            port=int(self._ports["5432"]),
            user=wanted["POSTGRES_USER"],
            password=wanted["POSTGRES_PASSWORD"],
            environment={"TZ": "Asia/Tokyo"},
        )
        try:
            server.start()
            server.create(wanted["POSTGRES_DB"])
            yield
        finally:
            server.stop()

    def _popen(self, service: str) -> subprocess.Popen[bytes]:
        [entrypoint] = of_image(self._image, "ENTRYPOINT")
        command = [*entrypoint.words, *self._services[service]["command"]]
        with (self.folder / f"{service}.log").open("ab") as log:
            return subprocess.Popen(
                [*self._become, *map(self._here, command)],
                env={
                    **self._environment(service),
                    "TINI_SUBREAPER": "1",  # as the first process of a container is
                    "PYTHONFAULTHANDLER": "1",
                },
                cwd=self._working_dir(service),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _working_dir(self, service: str) -> str:
        return self._here(self._services[service]["working_dir"])

    def _environment(self, service: str) -> dict[str, str]:
        """Nothing of this process's own: a container has what the image and compose.yaml say."""
        said: Mapping[str, Any] = self._services[service]
        read = self._dotenv if [file["path"] for file in said.get("env_file", [])] == [".env"] else {}
        own = {name: self._interpolated(value) for name, value in said["environment"].items()}
        found = {**image_environment(self._image), "HOME": "/data", **read, **own}
        return {name: self._here(HOST if value in self._services else value) for name, value in found.items()}

    def _interpolated(self, value: str) -> str:
        def given(match: re.Match[str]) -> str:
            name, kind, default = match.groups()
            assert kind == "-" or name in self._dotenv, f"{name} must be set"
            return self._dotenv.get(name, default or "")

        return _VARIABLE.sub(given, value)

    def _here(self, text: str) -> str:
        """A text of the container, for this machine."""
        for inside, outside in self._places.items():
            text = re.sub(rf"(?<![\w.-]){inside}(?![\w-])", str(outside), text)
        return _PORT.sub(lambda found: self._ports[found[1]], text.replace("0.0.0.0", HOST))


def _as_nobody() -> Sequence[str]:
    """How root becomes an ordinary user; another user is one already."""
    if os.geteuid() != 0:
        return ()
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    tried = [*become, "env", sys.executable, "-c", "import duckdb"]  # setpriv itself still may what root may
    if subprocess.run(tried, capture_output=True, cwd="/", check=False).returncode == 0:
        return become
    # The interpreter lies in a home that is closed to others: leave to read it, and to write nothing.
    return [*become, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """A service that is still there, with all that it has started."""
    if process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()
