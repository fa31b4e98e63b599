"""What a person sees while a Dagster run of the command works: live on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from linkt_pipeline.cli.output import echo, show
from linkt_pipeline.executions.events import (
    Event,
    Note,
    Observer,
    RunAdopted,
    RunEnded,
    RunProgress,
    RunStarted,
    format_elapsed,
)

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from linkt_pipeline.collection.lander import Fetched

RESOURCES = {"entity": "entities", "signal": "signals"}
STEPS = {
    "linkt__executions": "executing tasks",
    "linkt__runs": "collecting runs",
    "linkt__entities": "fetching entities",
    "linkt__signals": "fetching signals",
    "linkt__reference_data": "reading names of tasks, ICPs and sheets",
    "linkt__sql_models": "building the SQL models",
    "published__snapshot": "publishing the snapshot",
}


class Progress(Observer, Protocol):
    """An observer that receives the steps of the Dagster run too."""

    def on_step(self, step: str, started: bool) -> None:
        """A step of the Dagster run started or ended."""


@dataclass
class TaskLine:
    """What is known of one task's run.

    Attributes:
        run_id: Linkt's id.
        status: as Linkt sent it, or what the pipeline is doing.
        detail: queue counts while it goes, credits and yield afterwards.
        since: when its run began, on the monotonic clock; None before and after.
        elapsed: how long it took, once it has ended.
    """

    run_id: str = ""
    status: str = "waiting"
    detail: str = ""
    since: float | None = None
    elapsed: timedelta | None = None

    def take(self, event: Event) -> None:
        """Learn from an event."""
        match event:
            case RunStarted() | RunAdopted():
                self.run_id, self.status, self.since = event.run_id, "STARTED", time.monotonic()
                self.detail = "adopted, nothing bought" if isinstance(event, RunAdopted) else ""
            case RunProgress():
                self.run_id, self.status = event.run_id or self.run_id, event.status
                self.since = time.monotonic() - event.elapsed.total_seconds()
                self.detail = ", ".join(f"{count} {state}" for state, count in event.queue.items()) or self.detail
            case RunEnded():
                self.run_id = event.run_id or self.run_id
                self.status, self.since, self.elapsed = event.status, None, event.elapsed
                spent = "credits unknown" if event.credits is None else f"{event.credits:g} credits"
                self.detail = f"{spent}; {event.created} created, {event.updated} updated, {event.signals} signals"

    @property
    def time_text(self) -> str:
        """Elapsed time, running on while the run does."""
        if self.since is not None:
            return format_elapsed(timedelta(seconds=time.monotonic() - self.since))
        return format_elapsed(self.elapsed) if self.elapsed is not None else ""


class PlainProgress:
    """One line an event, without control characters: for logs and pipes."""

    def on_event(self, event: Event) -> None:
        """See :class:`Observer`."""
        echo(("warning: " if event.is_warning else "") + event.text)

    def on_fetch(self, resource: str, fetched: "Fetched") -> None:
        """See :class:`Observer`."""
        name = RESOURCES.get(resource, resource)
        echo(f"{name}: {fetched.text}")

    def on_step(self, step: str, started: bool) -> None:
        """See :class:`Progress`."""
        if started:
            echo(f"{STEPS.get(step, step)} ...")


@dataclass
class LiveProgress:
    """A table that stays in place: a line a task, a bar for fetching, and the step at work."""

    console: "Console"
    lines: dict[str, TaskLine] = field(default_factory=dict)
    fetches: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    step: str = ""

    def on_event(self, event: Event) -> None:
        """See :class:`Observer`."""
        if isinstance(event, Note):
            self.console.print(event.text, style="yellow" if event.is_warning else "dim", markup=False, highlight=False)
        else:
            self.lines.setdefault(event.task_key, TaskLine()).take(event)

    def on_fetch(self, resource: str, fetched: "Fetched") -> None:
        """See :class:`Observer`."""
        name = RESOURCES.get(resource, resource)
        self.fetches[name] = (fetched.settled, fetched.pending, fetched.how_settled)

    def on_step(self, step: str, started: bool) -> None:
        """See :class:`Progress`."""
        self.step = STEPS.get(step, step) if started else ""

    def render(self) -> "RenderableType":
        """The display as of now."""
        from rich.console import Group
        from rich.spinner import Spinner

        parts: list[RenderableType] = []
        if self.lines:
            parts.append(self._task_table())
        if self.fetches:
            parts.append(self._fetch_table())
        if self.step:
            parts.append(Spinner("dots", text=f"{self.step} ...", style="cyan"))
        return Group(*parts)

    def __rich__(self) -> "RenderableType":
        """Asked by rich at every refresh."""
        return self.render()

    def _task_table(self) -> "RenderableType":
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("task", "status", "time", "run", ""):
            table.add_column(name, no_wrap=name != "")
        for key, line in sorted(self.lines.items()):
            table.add_row(
                Text(key, style="bold"),
                Text(show(line.status), style=_style_of(line.status)),
                line.time_text,
                Text(show(line.run_id)),
                Text(show(line.detail)),
            )
        return table

    def _fetch_table(self) -> "RenderableType":
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_header=False)
        for name, (settled, pending, detail) in self.fetches.items():
            bar = ProgressBar(total=max(pending, 1), completed=settled, width=30)
            table.add_row(name, bar, f"{settled}/{pending}", Text(detail, style="dim"))
        return table


@contextmanager
def showing_progress(tasks: list[str]) -> Iterator[Progress]:
    """The display that fits stdout: live on a terminal, plain lines elsewhere.

    Args:
        tasks: names to show from the start.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console(soft_wrap=False)
    if not console.is_terminal:
        yield PlainProgress()
        return
    progress = LiveProgress(console, {name: TaskLine() for name in tasks})
    with Live(progress, console=console, refresh_per_second=8):
        yield progress


def _style_of(status: str) -> str:
    match status.upper():
        case "COMPLETED":
            return "green"
        case "FAILED" | "CRASHED" | "CANCELED" | "CANCELLED":
            return "red"
        case "PAUSED":
            return "yellow"
        case _:
            return "cyan"
