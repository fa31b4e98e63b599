"""The command as a user has it: a process of its own, an environment of its own, a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.forked import ForkedProcess

SEARCH = {"task_id": "6964b9b45a4d0beef1000031", "icp_id": "6964b8105a4d0beef1000011"}
SIGNALS = {"task_id": "6964ba2c5a4d0beef1000033", "icp_id": "6964b8885a4d0beef1000013"}

TASKS_YAML = f"""\
# my own words
tasks:
  search:
    task_id: {SEARCH["task_id"]}
    icp_id: {SEARCH["icp_id"]}
    parameters: {{num_results: 5}}
    poll_interval: 100ms
  signals:  # weekly
    task_id: {SIGNALS["task_id"]}
    icp_id: {SIGNALS["icp_id"]}
    poll_interval: 100ms
"""

Process = subprocess.Popen[str] | ForkedProcess


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def has_traceback(self) -> bool:
        return "Traceback" in self.out + self.err


@dataclass
class Command:
    """Runs ``linkt-pipeline`` in a folder; nothing of the developer's environment reaches it.

    Attributes:
        folder: where it runs.
        env: of every call.
        forked: each process begins with Dagster imported; else as a user's does.
    """

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    forked: bool = False

    def __call__(self, *arguments: str, timeout: float = 150, **env: str) -> Finished:
        process = self.start(*arguments, **env)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            kill_group(process)
            raise
        return Finished(process.returncode, out, err)

    def start(self, *arguments: str, **env: str) -> Process:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("LINKT_", "DAGSTER_"))}
        environment = {**clean, **self.env, **env}
        if self.forked:
            return ForkedProcess(arguments, self.folder, environment)
        return subprocess.Popen(
            [sys.executable, "-m", "linkt_pipeline.cli", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def kill_group(process: Process) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def wait_until(happened, what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.05)
