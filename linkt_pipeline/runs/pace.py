"""One request budget per minute for every process of a deployment.

Each process paces itself; but two of them, each keeping ``LINKT_REQUESTS_PER_MINUTE``, would together ask twice as
much. So the times of the last minute's requests are kept in a small file beside the warehouse, under a file lock that
is held for microseconds.
"""

import asyncio
import fcntl
import time
from array import array
from datetime import timedelta
from pathlib import Path

MINUTE = timedelta(minutes=1)


class SharedPace:
    """A sliding window of requests, shared through a file by the processes of one machine.

    Args:
        path: the file; created with its folder.
        limit: requests per window.
        window: what the limit counts in.
    """

    def __init__(self, path: Path, limit: int, window: timedelta = MINUTE) -> None:
        self._path = path
        self._limit = limit
        self._window = window.total_seconds()

    async def take(self) -> None:
        """Wait until one more request keeps within the limit, and count it."""
        while (wait := self._claim()) > 0:  # noqa: ASYNC110 - other processes free the place, not an event
            await asyncio.sleep(wait)

    def _claim(self) -> float:
        """Count a request and return 0, or return the seconds until a place becomes free."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            now = time.time()
            stored = array("d")
            stored.frombytes(_whole_items(file.read(), stored.itemsize))
            recent = array("d", (moment for moment in stored if now - self._window < moment <= now))
            if len(recent) >= self._limit:
                return recent[-self._limit] + self._window - now + 0.001
            recent.append(now)
            file.truncate(0)
            file.write(recent.tobytes())
        return 0.0


def _whole_items(data: bytes, size: int) -> bytes:
    """A process killed in the middle of a write may leave part of a number behind."""
    return data[: len(data) - len(data) % size]
