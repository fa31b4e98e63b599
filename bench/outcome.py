"""What was measured, as values."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


class NotMeasuredError(RuntimeError):
    """What a section needs is not in this environment; the message says what, and how to get it."""


@dataclass(frozen=True)
class Measured:
    """One piece of work done by one process.

    Attributes:
        seconds: wall time of the work, without the start of the process.
        cpu: CPU seconds of it.
        peak_mb: largest resident memory of the process.
        items: what was worked on.
        facts: anything else worth telling.
    """

    seconds: float
    cpu: float
    peak_mb: float
    items: int
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds


@dataclass(frozen=True)
class Goal:
    """What was to be reached, what was reached, and whether that is enough."""

    text: str
    reached: str
    met: bool


@dataclass
class Section:
    """One chapter of the report: paragraphs and tables in Markdown, and the goals it speaks of."""

    title: str
    body: list[str] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def say(self, *paragraphs: str) -> None:
        """Add paragraphs."""
        self.body += paragraphs

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table; the first column is text, the others are figures."""
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
        self.body.append("\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines))

    def goal(self, text: str, reached: str, met: bool) -> None:
        """Add a goal."""
        self.goals.append(Goal(text, reached, bool(met)))


def measure(work: Callable[[], tuple[int, dict[str, Any]]]) -> Measured:
    """Time a piece of work of this process."""
    begun, cpu = time.perf_counter(), time.process_time()
    items, facts = work()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return Measured(seconds, cpu, peak_mb(), items, facts)


def peak_mb() -> float:
    """Largest resident memory of this process so far."""
    try:
        # `ru_maxrss` also knows the memory of whoever started the process.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def print_measured(measured: Measured) -> None:
    """For :func:`in_own_process` on the other side."""
    print("\n" + json.dumps(asdict(measured)), flush=True)


def in_own_process(module: str, *arguments: object, timeout: float = 600) -> Measured:
    """Run ``python -m module arguments`` and take what it measured."""
    environment = {**os.environ, "DLT_DATA_DIR": ".bench/dlt", "RUNTIME__DLTHUB_TELEMETRY": "false"}
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True, text=True, timeout=timeout, env=environment,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{module} {arguments} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return Measured(**json.loads(done.stdout.strip().splitlines()[-1]))


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """Median with the smallest and largest: ``1.20 (1.10-1.40)``."""
    middle = form.format(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))}-{form.format(max(values))})"


def median(values: Sequence[float]) -> float:
    """Median."""
    return statistics.median(values)
