"""Two code servers of one Dagster, on hosts with data folders and names of their own, share a lake and its ledger.

The hosts are processes of this machine. Steps under an executor of Dagster's are in test_two_hosts.py.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import duckdb
import psycopg
import pytest
import yaml

from linkt_pipeline.sandbox import Sandbox, running_sandbox
from tests.cli.command import wait_until
from tests.end_to_end.dagster_dev import DagsterDev
from tests.few_models import write_few_models
from tests.postgres import HOST, PostgresServer, free_port, listens

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NAMES = ("one", "two")
TASKS = "tasks: {search: {task_id: 6964b9b45a4d0beef1000031, icp_id: 6964b8105a4d0beef1000011, poll_interval: 200ms}}"
# Python reads it when it starts: every process of a host has the name of that host.
NAMED_HOST = "import os, socket\nname = os.environ.get('TEST_HOST_NAME')\nif name: socket.gethostname = lambda: name\n"
LEASE_SECONDS = 60
START_SECONDS = 120


class CodeServer:
    """A code server on a host of its own.

    Args:
        name: of the host, and of the code location.
        folder: in which the host gets one.
        environment: of all hosts.
    """

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.name, self.port, self.folder = name, free_port(), folder / name
        self.published = self.folder / "data" / "published" / "warehouse.duckdb"
        self.folder.mkdir()
        (self.folder / "tasks.yaml").write_text(TASKS, encoding="utf-8")
        own = {"LINKT_DATA_DIR": str(self.folder / "data"), "TEST_HOST_NAME": f"host-{name}"}
        command = ["dagster", "api", "grpc", "--host", HOST, "--port", str(self.port), "--location-name", name]
        command += ["--module-name", "linkt_pipeline.definitions"]
        self._process = started(command, self.folder, {**environment, **own})

    def kill(self) -> None:
        """With the Dagster runs that it executes, as when a host loses its power."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def started(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=dict(environment),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@pytest.fixture
def api() -> Iterator[Sandbox]:
    with running_sandbox() as served:
        served.inject("run_life=3600")  # it ends when the test says so
        yield served


@pytest.fixture
def catalog(lakes, tmp_path: Path) -> str:
    """The URL of the database of a new lake, whose files are below ``tmp_path / "lake"``."""
    return lakes.new(tmp_path / "lake" / "linkt_lake")


@pytest.fixture
def deployed(
    catalog: str, api: Sandbox, postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[tuple[dict[str, CodeServer], dict[str, DagsterDev]]]:
    """The code servers, and the one Dagster that they belong to, spoken to about each location."""
    home, web = tmp_path / "home", tmp_path / "web"
    for folder in (home, web):
        folder.mkdir()
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance_in(postgres_server.new_database())), encoding="utf-8")
    (tmp_path / "sitecustomize.py").write_text(NAMED_HOST, encoding="utf-8")
    inherited = os.environ.get("PYTHONPATH", "")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LINKT_")},
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *([inherited] if inherited else [])]),
        "DAGSTER_HOME": str(home),
        "LINKT_API_KEY": api.api_key,
        "LINKT_BASE_URL": api.url,
        "LINKT_SQL_DIR": str(write_few_models(tmp_path / "sql")),
        "LINKT_CATALOG": catalog,
        "LINKT_LAKE_PATH": str(tmp_path / "lake"),
    }
    assert started(["dagster", "instance", "migrate"], web, environment).wait(START_SECONDS) == 0
    with ExitStack() as running:
        servers = {name: CodeServer(name, tmp_path, environment) for name in NAMES}
        for server in servers.values():
            running.callback(server.kill)
        for server in servers.values():
            wait_until(lambda port=server.port: listens(port), "a code server", START_SECONDS)
        places = [{"host": HOST, "port": each.port, "location_name": each.name} for each in servers.values()]
        (web / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": each} for each in places]}))
        port = free_port()
        server = started(["dagster_webserver", "-w", "workspace.yaml", "-h", HOST, "-p", str(port)], web, environment)
        running.callback(server.wait)
        running.callback(server.kill)
        wait_until(lambda: listens(port), "the web server", START_SECONDS)
        yield servers, {name: DagsterDev(f"http://{HOST}:{port}", home, location=name) for name in NAMES}


def instance_in(database: str) -> dict[str, object]:
    """Settings of a Dagster that launches each run at once."""
    url = urlsplit(database)
    address = {
        "scheme": "postgresql+psycopg2",
        "hostname": url.hostname,
        "port": url.port,
        "username": url.username,
        "password": unquote(url.password or ""),
        "db_name": url.path[1:],
        "params": {"options": "-c timezone=UTC"},
    }
    return {
        "storage": {"postgres": {"postgres_db": address}},
        "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
        "telemetry": {"enabled": False},
    }


def owners(catalog: str) -> list[str]:
    with psycopg.connect(catalog) as con:
        return [owner for (owner,) in con.execute("select lease_owner from linkt_ledger.executions")]


def test_hosts_with_a_code_server_each_buy_one_run_which_the_other_lands_and_publishes_after_a_kill(
    deployed: tuple[dict[str, CodeServer], dict[str, DagsterDev]], api: Sandbox, catalog: str
) -> None:
    """Both start one task at one moment, and the host that has bought the run goes."""
    servers, dagster = deployed
    runs = {name: dagster[name].materialize("search", job="execute_and_publish", assets=[]) for name in NAMES}

    def said(name: str) -> str:
        return dagster[name].messages(runs[name])

    wait_until(lambda: all("started run" in said(name) or "following it" in said(name) for name in NAMES), "both", 200)
    buyer, other = sorted(NAMES, key=lambda name: "started run" not in said(name))
    assert "started run" not in said(other)
    assert [owner.split("/")[0] for owner in owners(catalog)] == [f"host-{buyer}"]
    servers[buyer].kill()
    wait_until(lambda: "adopted run" in said(other), "the lease's end", LEASE_SECONDS + 120)
    for run in api.world.own.runs.values():
        run.status = "COMPLETED"

    assert dagster[other].wait_until(runs[other]) == "SUCCESS", said(other)

    assert api.run_count() == 1
    assert owners(catalog) == [None]
    assert not servers[buyer].published.exists()
    with closing(duckdb.connect()) as con:
        con.execute(f"attach '{servers[other].published}' as published (read_only); use published")
        assert con.execute("select count(*) from marts.run_history").fetchall() == [(1,)]
