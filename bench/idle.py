"""What it costs that nothing happens: an idle sync, and a day of idle ticks of the sensor.

python -m bench.idle ticks COUNT      ticks of this environment's deployment, a quarter of an hour apart on a set clock
"""

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.outcome import Section, median, spread

BINARY = Path(sys.executable).with_name("linkt-pipeline")
SENSOR = "collect_runs_started_elsewhere"
QUARTER = 15 * 60  # seconds between two ticks
TICKS_A_DAY = 96


@dataclass(frozen=True)
class Ran:
    """A command, and what it left behind."""

    out: str
    wall: float
    cpu: float
    requests: int
    published: int
    others: int
    instance: int


class Deployment:
    """A folder with a tasks.yaml, and the environment that points there."""

    def __init__(self, folder: Path, sandbox: Any) -> None:
        self.data = folder / "data"
        self.sandbox = sandbox
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "LINKT_DATA_DIR": str(self.data),
            "LINKT_TASKS_FILE": str(folder / "tasks.yaml"),
            "LINKT_API_KEY": sandbox.api_key,
            "LINKT_BASE_URL": sandbox.url,
            "DAGSTER_HOME": str(self.data),
        }

    def __call__(self, *command: str) -> Ran:
        """Run a command to its end."""
        files, instance = self.files(), self.instance()
        self.sandbox.world.requests.clear()
        before, begun = psutil.Process().cpu_times(), time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        wall, after = time.perf_counter() - begun, psutil.Process().cpu_times()
        if done.returncode:
            raise RuntimeError(f"{command} failed: {done.stdout[-2000:]}{done.stderr[-4000:]}")
        changed = {path for path, stamp in self.files().items() if files.get(path) != stamp}
        published = {path for path in changed if path.is_relative_to(self.data / "published")}
        return Ran(
            done.stdout,
            wall,
            after.children_user + after.children_system - before.children_user - before.children_system,
            sum(self.sandbox.world.requests.counts().values()),
            len(published),
            len(changed - published),
            self.instance() - instance,
        )

    def files(self) -> dict[Path, tuple[int, int, int]]:
        """Every file of the deployment, with what tells that it was written or replaced."""
        found = (path for path in self.data.rglob("*") if path.is_file() and not path.is_symlink())
        return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path in found for stat in [path.stat()]}

    def instance(self) -> int:
        """Bytes of Dagster's instance: all files that are neither the warehouse's nor published."""
        ours = {self.data / name for name in ("warehouse.duckdb", "idle.json")}
        return sum(
            size
            for path, (_, size, _) in self.files().items()
            if path not in ours and not path.is_relative_to(self.data / "published")
        )


def run(quick: bool) -> Section:
    """Commands in processes of their own, timed from outside."""
    rounds, ticks = (2, 4) if quick else (5, TICKS_A_DAY)
    with _deployed() as deployment:
        idle = [deployment(str(BINARY), "sync") for _ in range(rounds)]
        assert all(ran.out == "nothing new\n" for ran in idle), idle[0].out
        whole = [deployment(str(BINARY), "sync", "--retry-missing") for _ in range(min(rounds, 3))]
        assert deployment(str(BINARY), "sync").out == "nothing new\n"
        day = deployment(sys.executable, "-m", "bench.idle", "ticks", str(ticks))
    section = Section("Idle")
    describe(section, idle, whole, day, ticks)
    return section


def describe(section: Section, idle: list[Ran], whole: list[Ran], day: Ran, ticks: int) -> None:
    """The text, the table and the goals."""
    section.say(
        "A deployment whose tasks were executed and published; nothing has happened in Linkt since. `sync` is timed "
        "from the start of its process to the end, by the process that started it. Beside it `sync --retry-missing`, "
        "which takes every step and finds nothing, as every `sync` did before there was a look, and as one does each "
        "day. "
        f"Files are distinguished by inode, size and time. Median of {len(idle)} and {len(whole)} (smallest-largest)."
    )
    rows = [
        ("seconds, start to end", "wall", "{:.2f}"),
        ("CPU s", "cpu", "{:.2f}"),
        ("API requests", "requests", "{:.0f}"),
        ("files of `published/` written", "published", "{:.0f}"),
        ("other files written", "others", "{:.0f}"),
        ("growth of Dagster's instance, bytes", "instance", "{:,.0f}"),
    ]
    section.table(
        ["", "`sync`, nothing new", "`sync`, every step"],
        [
            [name, *(spread([getattr(ran, of) for ran in runs], form) for runs in (idle, whole))]
            for name, of, form in rows
        ],
    )
    section.say(
        "The one other file is `idle.json`, in which a look counts its requests.",
        f"{ticks} ticks of the sensor `{SENSOR}`, a quarter of an hour apart on a set clock, evaluated by the code of "
        f"Dagster's own daemon against a code server: {day.requests} API requests, {day.published} files of "
        f"`published/` written, no Dagster run; the instance grew by {day.instance:,} bytes. These are the ticks, "
        "which are kept for a day.",
    )
    wall = median([ran.wall for ran in idle])
    section.goal("an idle `sync` under 1.2 s from start to end", f"{wall:.2f} s", wall < 1.2)
    requests = max(ran.requests for ran in idle)
    section.goal("at most 2 requests", f"{requests}", requests <= 2)
    published = max(ran.published for ran in idle)
    section.goal("no file of `published/` touched", f"{published}", published == 0)
    grown = max(ran.instance for ran in idle)
    section.goal("the instance grows by at most 20 KB", f"{grown:,} bytes", grown <= 20_000)
    section.goal("a day of idle ticks under 1 MB", f"{day.instance / 1e6:.2f} MB", day.instance < 1e6)


@contextmanager
def _deployed() -> Iterator[Deployment]:
    from linkt_pipeline.sandbox import running_sandbox
    from linkt_pipeline.settings import SANDBOX_TASKS_FILE

    with running_sandbox(speed=60) as sandbox, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tasks.yaml").write_bytes(SANDBOX_TASKS_FILE.read_bytes())
        deployment = Deployment(folder, sandbox)
        deployment(str(BINARY), "run", "enterprise_saas_search", "saas_signals")
        deployment(str(BINARY), "sync", "--retry-missing")
        yield deployment


def _tick(count: int) -> str:
    """Evaluate the sensor as the daemon does, in this environment's instance; fails unless it skips every time."""
    import dagster as dg
    from dagster._core.scheduler.instigation import TickStatus
    from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
    from dagster._core.workspace.load_target import ModuleTarget
    from dagster._daemon.sensor import execute_sensor_iteration

    target = ModuleTarget("linkt_pipeline.definitions", None, None, "linkt_pipeline")
    with (
        dg.DagsterInstance.get() as instance,
        create_test_daemon_workspace_context(target, instance) as workspace,
    ):
        location = workspace.create_request_context().get_code_location("linkt_pipeline")
        (repository,) = location.get_repositories().values()
        sensor = repository.get_sensor(SENSOR)
        instance.start_sensor(sensor)
        runs, now = instance.get_runs_count(), time.time()
        for number in range(1, count + 1):
            with freeze_time(now + number * QUARTER):
                list(execute_sensor_iteration(workspace, logging.getLogger("bench"), None, None))
        ticks = instance.get_ticks(sensor.get_remote_origin_id(), sensor.selector_id)
        assert [tick.status for tick in ticks] == [TickStatus.SKIPPED] * count, ticks[0]
        assert {tick.skip_reason for tick in ticks} == {"nothing new"}, ticks[0]
        assert instance.get_runs_count() == runs
    return f"{len(ticks)} skipped"


if __name__ == "__main__":
    print(_tick(int(sys.argv[2])))
