"""What was asked of the sandbox: for tests, and for anyone who counts requests against a plan's budget."""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class RequestEntry:
    """One request.

    Attributes:
        endpoint: name, such as ``get_run``.
        label: method and path template.
        path: the path as asked.
        query: the query string as asked.
        status: status of the reply; None when the connection was dropped instead.
        at: Unix seconds of its arrival.
        seconds: until the reply was handed to the network.
    """

    endpoint: str
    label: str
    path: str
    query: str
    status: int | None
    at: float
    seconds: float


class RequestLog:
    """The latest requests, and counts of all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[RequestEntry] = deque(maxlen=_KEPT)
        self._counts: Counter[tuple[str, int | None]] = Counter()
        self.last_at = time.time()

    def add(self, entry: RequestEntry) -> None:
        """Note a request."""
        with self._lock:
            self._entries.append(entry)
            self._counts[entry.endpoint, entry.status] += 1
            self.last_at = entry.at

    def touch(self) -> None:
        """Note that somebody still uses the sandbox, though not its API."""
        self.last_at = time.time()

    def entries(self, endpoint: str | None = None) -> list[RequestEntry]:
        """The latest requests, oldest first, of one endpoint or of all."""
        with self._lock:
            return [entry for entry in self._entries if endpoint in (None, entry.endpoint)]

    def count(self, endpoint: str | None = None, status: int | None = None) -> int:
        """How many requests there were, of one endpoint, of one status, or of all."""
        with self._lock:
            return sum(
                number
                for (name, code), number in self._counts.items()
                if endpoint in (None, name) and status in (None, code)
            )

    def counts(self) -> dict[str, int]:
        """Requests by endpoint."""
        totals: Counter[str] = Counter()
        with self._lock:
            for (name, _), number in self._counts.items():
                totals[name] += number
        return dict(totals)

    def clear(self) -> None:
        """Reset the counts."""
        with self._lock:
            self._entries.clear()
            self._counts.clear()
