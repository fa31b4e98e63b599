"""Events read back from the lines of a Dagster run's log, where another process does the work.

The lines are those that the Dagster layer logs: :class:`~linkt_pipeline.executions.events.Event` and
:class:`~linkt_pipeline.collection.lander.Fetched` define their form. A line in no known form becomes a note.
"""

import re
from datetime import timedelta

from linkt_pipeline.cli.progress import RESOURCES, Progress
from linkt_pipeline.collection.lander import Fetched
from linkt_pipeline.executions.events import Event, Note, RunAdopted, RunEnded, RunProgress, RunStarted

_TASK = r"(?P<task>[A-Za-z0-9_-]+): "
_TIME = r"(?P<time>(?:\d+h )?(?:\d+m ?)?(?:\d+s)?)"
_STARTED = re.compile(_TASK + r"started run (?P<run>\S+?)(?: \(attempt (?P<attempt>\d+)\))?")
_ADOPTED = re.compile(_TASK + r"adopted run (?P<run>\S+) \((?P<reason>.+)\); nothing was bought")
_ENDED = re.compile(
    _TASK + rf"(?P<status>\S+) after {_TIME}, (?:(?P<credits>\S+) credits|credits unknown); names "
    r"(?P<created>\d+) created and (?P<updated>\d+) updated entities, (?P<signals>\d+) signals"
)
_PROGRESS = re.compile(_TASK + rf"(?P<status>\S+) after {_TIME}(?: \((?P<queue>[^()]+)\))?")
_NOTE = re.compile(_TASK + r"(?P<message>.+)")
_FETCHED = re.compile(
    r"(?P<name>\w+): \d+ of (?P<pending>\d+) settled \((?P<landed>\d+) landed(?:, (?P<missing>\d+) missing)?"
    r"(?:, (?P<rejected>\d+) rejected)?(?:, (?P<erased>\d+) erased)?(?:, (?P<failed>\d+) failed for now)?\)"
)
_UNIT_SECONDS = {"h": 3600, "m": 60, "s": 1}


def tell_event(progress: Progress, line: str, *, is_warning: bool) -> None:
    """Hand what a line of the paid step's log says to the display, if it is the text of an event."""
    if event := read_event(line, is_warning=is_warning):
        progress.on_event(event)


def tell_fetch(progress: Progress, line: str) -> None:
    """Hand what a line of a free step's log says to the display; most are for Dagster's UI alone."""
    if found := _FETCHED.fullmatch(line):
        resource = next((key for key, name in RESOURCES.items() if name == found["name"]), found["name"])
        progress.on_fetch(resource, _fetched(found))


def read_event(line: str, *, is_warning: bool = False) -> Event | None:
    """The event with this line as its text; None if no event has it."""
    if found := _STARTED.fullmatch(line):
        return RunStarted(found["task"], found["run"], int(found["attempt"] or 1))
    if found := _ADOPTED.fullmatch(line):
        return RunAdopted(found["task"], found["run"], found["reason"])
    if found := _ENDED.fullmatch(line):
        return RunEnded(
            found["task"],
            "",
            found["status"],
            _elapsed(found["time"]),
            float(found["credits"]) if found["credits"] else None,
            int(found["created"]),
            int(found["updated"]),
            int(found["signals"]),
            succeeded=not is_warning,
        )
    if (found := _PROGRESS.fullmatch(line)) and found["time"]:
        counts = [part.partition(" ") for part in (found["queue"] or "").split(", ")]
        queue = {state: int(count) for count, _, state in counts if count.isdigit()}
        return RunProgress(found["task"], "", found["status"], _elapsed(found["time"]), queue)
    if found := _NOTE.fullmatch(line):
        return Note(found["task"], found["message"], is_warning)
    return None


def _elapsed(text: str) -> timedelta:
    return timedelta(seconds=sum(int(part[:-1]) * _UNIT_SECONDS[part[-1]] for part in text.split()))


def _fetched(found: "re.Match[str]") -> Fetched:
    count = {name: int(found[name] or 0) for name in ("pending", "landed", "missing", "rejected", "erased", "failed")}
    return Fetched(
        pending=count["pending"],
        landed=count["landed"],
        missing=count["missing"],
        rejected=count["rejected"],
        erased=count["erased"],
        failures=[""] * count["failed"],
    )
