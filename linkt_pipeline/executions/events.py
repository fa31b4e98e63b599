"""What happens to a run, reported as it happens.

The protocol reports events; the Dagster layer writes their text into the run's log, the command draws them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from linkt_pipeline.display import shown

if TYPE_CHECKING:
    from linkt_pipeline.collection.lander import Fetched

_LONGEST_LINE = 1_000


def format_elapsed(elapsed: timedelta) -> str:
    """``7s``, ``3m 05s`` or ``2h 43m``."""
    seconds = int(elapsed.total_seconds())
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {seconds:02d}s" if minutes else f"{seconds}s"


@dataclass(frozen=True)
class Event:
    """Something that happened to the run of one task."""

    task_key: str

    @property
    def text(self) -> str:
        """One line for a log, fit to be shown."""
        return " ".join(shown(self._line, _LONGEST_LINE).split())

    @property
    def _line(self) -> str:
        raise NotImplementedError

    @property
    def is_warning(self) -> bool:
        """Whether a person should look twice."""
        return False


@dataclass(frozen=True)
class RunStarted(Event):
    """A new run was bought."""

    run_id: str
    attempt: int

    @property
    def _line(self) -> str:
        return f"{self.task_key}: started run {self.run_id}" + (
            f" (attempt {self.attempt})" if self.attempt > 1 else ""
        )


@dataclass(frozen=True)
class RunAdopted(Event):
    """An earlier run of this task is used instead of buying another."""

    run_id: str
    reason: str

    @property
    def _line(self) -> str:
        return f"{self.task_key}: adopted run {self.run_id} ({self.reason}); nothing was bought"


@dataclass(frozen=True)
class RunProgress(Event):
    """A look at a run that showed a new status, or new counts in its queue."""

    run_id: str
    status: str
    elapsed: timedelta
    queue: dict[str, int] = field(default_factory=dict)

    @property
    def _line(self) -> str:
        queue = ", ".join(f"{count} {state}" for state, count in self.queue.items())
        return f"{self.task_key}: {self.status} after {format_elapsed(self.elapsed)}" + (f" ({queue})" if queue else "")


@dataclass(frozen=True)
class RunEnded(Event):
    """A run is terminal, and it is landed."""

    run_id: str
    status: str
    elapsed: timedelta
    credits: float | None
    created: int
    updated: int
    signals: int
    succeeded: bool

    @property
    def _line(self) -> str:
        spent = "credits unknown" if self.credits is None else f"{self.credits:g} credits"
        return (
            f"{self.task_key}: {self.status} after {format_elapsed(self.elapsed)}, {spent}; names "
            f"{self.created} created and {self.updated} updated entities, {self.signals} signals"
        )

    @property
    def is_warning(self) -> bool:
        """Whether a person should look twice."""
        return not self.succeeded


@dataclass(frozen=True)
class Note(Event):
    """Anything else worth a line."""

    message: str
    warning: bool = False

    @property
    def _line(self) -> str:
        return f"{self.task_key}: {self.message}"

    @property
    def is_warning(self) -> bool:
        """Whether a person should look twice."""
        return self.warning


Report = Callable[[Event], None]


class Observer(Protocol):
    """Receives what happens, such as the command's live display. It is called from the thread that does the work."""

    def on_event(self, event: Event) -> None:
        """Something happened to a run."""

    def on_fetch(self, resource: str, fetched: "Fetched") -> None:
        """A batch of ``entity`` or ``signal`` rows was landed."""
