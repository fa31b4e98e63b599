"""How long until something happens: the command, the definitions, a Dagster run."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.outcome import Section, median, spread

_FIRST_REQUEST = """
import asyncio, sys
from pydantic import SecretStr
from linkt_pipeline.api import LinktClient
async def ask():
    async with LinktClient(sys.argv[1], SecretStr("bench-key")) as client:
        await client.get_entity_body("69d4d136a5c3be7f00000001")
asyncio.run(ask())
"""
_DEFINITIONS = "from linkt_pipeline.definitions import defs; defs.resolve_asset_graph()"
_RUN = """
import sys, time
from pathlib import Path
import dagster as dg
from linkt_pipeline.definitions import defs
job = defs.resolve_implicit_global_asset_job_def()
with dg.DagsterInstance.ephemeral() as instance:
    result = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey(["staging", "icps"])])
assert result.success
"""


def run(quick: bool) -> Section:
    """Processes started and timed from outside."""
    from bench.server import fast_server

    section = Section("Start-up")
    rounds = 1 if quick else 3
    binary = Path(sys.executable).with_name("linkt-pipeline")
    rows = []
    with fast_server() as server, tempfile.TemporaryDirectory() as folder:
        cases = {
            "python, doing nothing": [sys.executable, "-c", "pass"],
            "`linkt-pipeline --version`": [str(binary), "--version"],
            "`linkt-pipeline --help`": [str(binary), "--help"],
            "the API client, to the end of its first request": [sys.executable, "-c", _FIRST_REQUEST, server.url],
            "definitions loaded": [sys.executable, "-c", _DEFINITIONS],
            "a Dagster run of one SQL model, from process start to its end": [sys.executable, "-c", _RUN],
            "`linkt-pipeline demo`, which waits some 8 s for its runs": [str(binary), "demo"],
        }
        times = {name: [_timed(command, folder) for _ in range(rounds)] for name, command in cases.items()}
    for name, found in times.items():
        rows.append([name, spread([wall for wall, _ in found]), spread([cpu for _, cpu in found])])
    section.say(f"Median of {rounds} (smallest-largest), files in the page cache.")
    section.table(["", "seconds", "CPU s"], rows)
    help_cpu = median([cpu for _, cpu in times["`linkt-pipeline --help`"]])
    section.goal("`linkt-pipeline --help` under 0.3 s of work", f"{help_cpu:.2f} s of CPU", help_cpu < 0.3)
    return section


def _timed(command: list[str], folder: str) -> tuple[float, float]:
    """Wall and CPU seconds of a process, its children included."""
    before = psutil.Process().cpu_times()
    begun = time.perf_counter()
    environment = {"PATH": "/usr/bin:/bin", "HOME": folder, "LINKT_DATA_DIR": folder, "DAGSTER_HOME": folder}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    wall, after = time.perf_counter() - begun, psutil.Process().cpu_times()
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stderr[-2000:]}")
    return wall, after.children_user + after.children_system - before.children_user - before.children_system
