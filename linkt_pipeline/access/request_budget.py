"""One request budget, per minute and per day, for every process of a deployment.

Each process paces itself; but two of them, each keeping ``LINKT_REQUESTS_PER_MINUTE``, would together ask twice as
much. So a small file beside the warehouse holds the times of the last minute's requests and the number of the day's,
under a file lock that is held for microseconds. A request is counted when its place is reserved, right before it
leaves: what is on its way counts.
"""

import os
import time
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from linkt_pipeline.access.errors import DailyLimitReachedError, RequestsNotCountedError
from linkt_pipeline.warehouse.files import locked_file

MINUTE = timedelta(minutes=1)
# The server counts a request when it arrives, and one request may travel longer than the next.
MARGIN = 1.01


@dataclass(frozen=True)
class Spent:
    """What counts towards a budget, for another place that is to keep it.

    Attributes:
        day: a UTC day.
        used: requests of that day.
        recent: requests of the last minute.
    """

    day: date
    used: int
    recent: int


def budget_file(folder: Path) -> Path:
    """Where the processes that share a data folder keep their budget."""
    return folder / "requests.window"


class RequestBudget:
    """Places for requests, shared through a file by the processes of one machine.

    Args:
        path: the file; created with its folder.
        per_window: requests per window, if limited.
        per_day: requests per UTC day, if limited.
        recorded: the requests of a day that the warehouse knows, because the file may be new.
        window: length of the window of ``per_window``.
    """

    def __init__(
        self,
        path: Path,
        *,
        per_window: int | None = None,
        per_day: int | None = None,
        recorded: Mapping[date, int] | None = None,
        window: timedelta = MINUTE,
    ) -> None:
        self._path = path
        self._per_window = per_window
        self._per_day = per_day
        self._recorded = recorded or {}
        self._window = window.total_seconds() * MARGIN

    def close(self) -> None:
        """Nothing is held: every place that was taken is used."""

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to keep."""
        return self._per_window is not None or self._per_day is not None

    def reserve(self) -> float:
        """Take a place for one request that leaves now.

        Returns:
            0, or the seconds until the minute has a place.

        Raises:
            DailyLimitReachedError: the day's requests are used up.
            RequestsNotCountedError: the file can't be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with locked_file(self._path) as file:
                return self._take_place(file)
        except OSError as error:
            cause = f"{self._path}: {error.strerror or error}. Free space, or repair the data folder"
            raise RequestsNotCountedError(cause) from None

    def spent(self) -> Spent:
        """What counts now.

        Raises:
            OSError: the file can't be read.
        """
        today = datetime.now(UTC).date()
        with locked_file(self._path) as file:
            day, used, moments = _read(os.pread(file, os.fstat(file).st_size, 0))
        now = time.monotonic()
        recent = sum(now - self._window < moment <= now for moment in moments)
        return Spent(today, used if day == today.toordinal() else 0, recent)

    def note_spent(self, spent: Spent) -> None:
        """Count what was spent elsewhere, in place of what the file says.

        Raises:
            OSError: the file can't be written.
        """
        content = array("d", [spent.day.toordinal(), spent.used, *[time.monotonic()] * spent.recent]).tobytes()
        with locked_file(self._path) as file:
            os.pwrite(file, content, 0)
            os.ftruncate(file, len(content))

    def _take_place(self, file: int) -> float:
        today = datetime.now(UTC).date()
        day, used, moments = _read(os.pread(file, os.fstat(file).st_size, 0))
        used = max(used if day == today.toordinal() else 0, self._recorded.get(today, 0))
        if self._per_day is not None and used >= self._per_day:
            raise DailyLimitReachedError(used, today, self._per_day)
        now = time.monotonic()  # since the machine's start, for all its processes: setting the clock frees no place
        recent = array("d", (moment for moment in moments if now - self._window < moment <= now))
        if self._per_window is not None and len(recent) >= self._per_window:
            return recent[-self._per_window] + self._window - now + 0.001
        if self._per_window is not None:
            recent.append(now)
        # Written over, then cut: a process killed in between, or a full disk, does not empty the day's count.
        content = array("d", [today.toordinal(), used + 1, *recent]).tobytes()
        os.pwrite(file, content, 0)
        os.ftruncate(file, len(content))
        return 0.0


def _read(data: bytes) -> "tuple[float, int, array[float]]":
    """Day, requests of that day, and the moments of the last ones."""
    stored = array("d")
    # A process killed in the middle of a write may leave part of a number behind.
    stored.frombytes(data[: len(data) - len(data) % stored.itemsize])
    if len(stored) < 2 or not 0 <= stored[1] < 1e12:
        return 0, 0, array("d")
    return stored[0], int(stored[1]), stored[2:]
