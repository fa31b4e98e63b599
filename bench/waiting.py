"""What it costs to wait: memory, CPU and requests of one process that waits for one run and for 500.

    python -m bench.waiting

The runs go on in a sandbox in another process. Each count is measured in a process of its own, for young runs (looked
at every 10 s, as documented) and for runs ten minutes old (looked at every 30 s; an hour later, every two minutes).
The first look at each run, which all waits make at once, is not counted.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import psutil
from pydantic import SecretStr

from bench.outcome import Goal, Section
from linkt_pipeline.api import LinktClient, RequestRecord
from linkt_pipeline.executions.wait import wait_for_run
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.values import Execution, ExecutionState, Intention
from linkt_pipeline.sandbox import SANDBOX_KEY
from linkt_pipeline.sandbox.world.reference_data import PROFILE_TASK, SAAS
from linkt_pipeline.tasks import TaskSpec
from linkt_pipeline.warehouse.engines.file import FileWarehouse

COUNTS = (1, 500)
AGES = {"young": timedelta(0), "ten minutes old": timedelta(minutes=10)}
SECONDS = 36.0  # one look at each of the older runs falls into it


@contextmanager
def slow_sandbox() -> Iterator[str]:
    """A sandbox process whose runs take hours; yields its address."""
    command = [sys.executable, "-m", "linkt_pipeline.sandbox", "--port", "0", "--speed", "0.001"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        try:
            yield next(word for word in words if word.startswith("http://"))
        finally:
            process.terminate()


async def measure(url: str, folder: Path, count: int, age: timedelta, seconds: float) -> dict[str, float]:
    """Wait for ``count`` runs for a while, and tell what that took."""
    requests: list[RequestRecord] = []
    warehouse = FileWarehouse(folder / "warehouse.duckdb")
    ledger = ledger_of(warehouse)
    process = psutil.Process()
    async with LinktClient(url, SecretStr(SANDBOX_KEY), on_request=requests.append) as client:
        worker = Worker(client, warehouse, ledger)
        task = TaskSpec(key="waiting", task_id=PROFILE_TASK, icp_id=SAAS)
        rows = [await _started(worker, task, number, age) for number in range(count)]
        ledger.claim(Intention("warm", PROFILE_TASK, None, {}), worker.owner)  # DuckDB's own memory is no part of it
        before = process.memory_info().rss
        async with worker.holding_leases():
            waits = [asyncio.create_task(wait_for_run(worker, task, row)) for row in rows]
            await asyncio.sleep(3 + count / 100)
            requests.clear()
            cpu, begun = sum(process.cpu_times()[:2]), time.perf_counter()
            await asyncio.sleep(seconds)
            spent, lasted = sum(process.cpu_times()[:2]) - cpu, time.perf_counter() - begun
            after = process.memory_info().rss
            broken = [wait for wait in waits if wait.done()]
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
    assert not broken, broken[0]
    return {
        "count": count,
        "rss_mb": after / 2**20,
        "kb_per_run": (after - before) / 1024 / count,
        "cpu_share": spent / lasted,
        "requests": len(requests),
        "seconds": lasted,
    }


async def _started(worker: Worker, task: TaskSpec, number: int, age: timedelta) -> Execution:
    """A run that goes on in the sandbox, and the row that stands for it."""
    answer = await worker.client.execute_task(task.task_id, icp_id=task.icp_id, parameters={})
    now = datetime.now(UTC)
    return Execution(
        execution_id=f"{number:032x}",
        task_key=task.key,
        task_id=task.task_id,
        icp_id=task.icp_id,
        parameters={},
        attempt=1,
        state=ExecutionState.STARTED,
        run_id=answer.run_id,
        run_status="SCHEDULED",
        error_kind=None,
        dagster_run_id=None,
        intended_at=now - age,
        started_at=now - age,
        finished_at=None,
        last_error=None,
        lease_owner=worker.owner.name,
        lease_until=None,
    )


def measured_apart(url: str, count: int, age: timedelta, seconds: float) -> dict[str, float]:
    """As :func:`measure`, in a fresh process."""
    arguments = ["--url", url, "--count", str(count), "--age", str(age.total_seconds()), "--seconds", str(seconds)]
    done = subprocess.run([sys.executable, "-m", "bench.waiting", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: dict[str, float] = orjson.loads(done.stdout)
    return result


def section(seconds: float = SECONDS, counts: Sequence[int] = COUNTS) -> Section:
    """The chapter of the report."""
    rows, results = [], {}
    with slow_sandbox() as url:
        for label, age in AGES.items():
            for count in counts:
                found = results[label, count] = measured_apart(url, count, age, seconds)
                rows.append(
                    (
                        label,
                        count,
                        f"{found['rss_mb']:.0f}",
                        f"{found['kb_per_run']:.0f}" if count > 1 else "",
                        f"{100 * found['cpu_share']:.1f}",
                        f"{1000 * found['cpu_share'] / count:.2f}",
                        f"{60 * found['requests'] / found['seconds']:.0f}",
                    )
                )
    chapter = Section("Waiting")
    chapter.say("One process waits for many runs; memory and CPU of that process, and what it asks of the API.")
    chapter.table(
        ("runs", "number", "RSS MB", "KB per run", "CPU %", "CPU ms per run and second", "requests a minute"), rows
    )
    most = max(counts)
    old, alone = results["ten minutes old", most], results["ten minutes old", min(counts)]
    growth = old["rss_mb"] / alone["rss_mb"]
    chapter.goals.append(
        Goal(f"{most} runs in one process within twice the memory of one", f"{growth:.2f} times", met=growth < 2)
    )
    share = old["cpu_share"]
    chapter.goals.append(
        Goal(f"{most} runs ten minutes old cost under a quarter of a core", f"{100 * share:.1f} %", met=share < 0.25)
    )
    return chapter


def main() -> None:
    """Measure one count for the parent process, or all and print the chapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--url")
    parser.add_argument("--count", type=int)
    parser.add_argument("--age", type=float)
    given = parser.parse_args()
    if given.url:
        with tempfile.TemporaryDirectory() as folder:
            age = timedelta(seconds=given.age)
            result = asyncio.run(measure(given.url, Path(folder), given.count, age, given.seconds))
        sys.stdout.write(orjson.dumps(result).decode())
        return
    chapter = section(given.seconds)
    print("\n\n".join([f"## {chapter.title}", *chapter.body, *map(str, chapter.goals)]))


if __name__ == "__main__":
    main()
