"""SIGKILL right after a request that changes something: the next process goes on, and nothing is done twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.warehouse.engines.file import FileWarehouse

from .scene import LIST, IngestScene

pytestmark = pytest.mark.slow

# The worker kills itself where it stands: no handler runs, nothing is flushed, no lease is given up.
WORKER = """
import asyncio, os, signal, sys
from datetime import timedelta
from pathlib import Path
from pydantic import SecretStr
from linkt_pipeline.api import LinktClient
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ingest.desk import Desk
from linkt_pipeline.ingest.ingest import Request, check_file, ingest_file
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.executions.scene import TIMING
from tests.ingest.scene import fair

url, key, path, file, moment, request = sys.argv[1:]

class Client(LinktClient):
    pass

def wrapped(name):
    original = getattr(LinktClient, name)
    async def call(self, *args, **kwargs):
        if name == request and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await original(self, *args, **kwargs)
        if name == request and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

for name in ("upload_file", "get_file", "set_task_config", "execute_task", "get_run", "get_run_queue"):
    setattr(Client, name, wrapped(name))

async def work():
    warehouse = FileWarehouse(Path(path))
    async with Client(url, SecretStr(key), retry_for=timedelta(seconds=5)) as client:
        desk = Desk(Worker(client, warehouse, ledger_of(warehouse), timing=TIMING))
        asked = Request(fair(), Path(file))
        ingested = await ingest_file(desk, asked, await check_file(desk, asked))
        print("ended", ingested.error or "well")

asyncio.run(work())
"""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[IngestScene]:
    file = tmp_path / "fair.csv"
    file.write_text(LIST, encoding="utf-8")
    with running_sandbox(tmp_path / "linkt", speed=30) as sandbox:
        yield IngestScene(sandbox, FileWarehouse(tmp_path / "warehouse.duckdb"), file=file)


def work(scene: IngestScene, moment: str, request: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-c", WORKER, scene.sandbox.url, scene.sandbox.api_key),
            *(str(scene.warehouse.path), str(scene.file), moment, request),
        ],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ,
        timeout=60,
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("moment", "request_name", "state"),
    [
        ("before", "upload_file", "uploading"),
        ("after", "upload_file", "uploading"),
        ("after", "get_file", "uploaded"),
        ("before", "set_task_config", "configuring"),
        ("after", "set_task_config", "configuring"),
        ("before", "execute_task", "configured"),
        ("after", "execute_task", "configured"),
        ("after", "get_run", "configured"),
        ("after", "get_run_queue", "configured"),
    ],
)
def test_the_next_process_goes_on_where_one_was_killed(
    scene: IngestScene, moment: str, request_name: str, state: str
) -> None:
    killed = work(scene, moment, request_name)
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    assert scene.state() == state

    ended = work(scene, "never", "")

    assert ended.stdout == "ended well\n", ended.stderr
    assert (scene.uploads, scene.bought) == (1, 1)
    assert scene.seen["update_task"] == 1
    assert scene.state() == "finished"
    assert "finished" in scene.states()
    assert set(scene.states()) <= {"finished", "lost"}
    assert scene.query("select count(*) from linkt.ingest_rows") == [(3,)]
    assert scene.query("select count(*) from linkt.run_candidates") == [(3,)]
