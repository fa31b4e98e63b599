"""Small records beside the warehouse, written by processes that have nothing to write into it.

A look that finds nothing leaves the warehouse as it is: no lock, no new block, nothing for a backup to copy. The file
``idle.json``, of some hundred bytes, keeps the time of the look and the number of its requests. The next process that
writes request counts into the warehouse adds these. If it is killed between writing and clearing the file, the
requests are counted twice.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import orjson

from linkt_pipeline.access.request_usage import UsageCount, added_up
from linkt_pipeline.warehouse.files import locked_file
from linkt_pipeline.warehouse.warehouse import Warehouse

_NAME = "idle.json"


@dataclass(frozen=True)
class _Kept:
    looked_at: datetime | None = None
    counts: list[UsageCount] = field(default_factory=list)


class Aside:
    """The file beside one warehouse.

    Args:
        warehouse: the one it lies beside.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._path = warehouse.folder / _NAME

    def note_look(self, now: datetime) -> None:
        """Remember that a look found nothing. If that can't be written down, it is forgotten."""
        with suppress(OSError), locked_file(self._path) as file:
            _write(file, _Kept(now, _read(file).counts))

    def add(self, counts: Sequence[UsageCount]) -> None:
        """Keep counts of requests until a process takes them. If they can't be written down, they are forgotten."""
        with suppress(OSError), locked_file(self._path) as file:
            kept = _read(file)
            _write(file, _Kept(kept.looked_at, added_up([*kept.counts, *counts])))

    @contextmanager
    def taken(self) -> Iterator[list[UsageCount]]:
        """Give the counts to a transaction that writes them to the warehouse; at its end, remove them from the file.

        Raises:
            OSError: the file can't be read or written.
        """
        if not self._path.exists():
            yield []
            return
        with locked_file(self._path) as file:
            kept = _read(file)
            yield kept.counts
            if kept.counts:
                _write(file, _Kept(kept.looked_at))

    def requests_on(self, day: date) -> list[UsageCount]:
        """The counts of one UTC day."""
        return [count for count in self._look().counts if count.day == day]

    def last_look(self) -> datetime | None:
        """When a look last found nothing, in UTC; None if unknown."""
        return self._look().looked_at

    def _look(self) -> _Kept:
        try:
            with self._path.open("rb") as file:
                return _read(file.fileno())
        except OSError:
            return _Kept()


def _read(file: int) -> _Kept:
    """What the file holds; nothing if a process was killed while it wrote the file."""
    try:
        value = orjson.loads(os.pread(file, os.fstat(file).st_size, 0))
        looked_at = value["looked_at"] and datetime.fromisoformat(value["looked_at"]).astimezone(UTC)
        return _Kept(looked_at, [UsageCount(date.fromisoformat(day), *rest) for day, *rest in value["counts"]])
    except (ValueError, TypeError, KeyError):
        return _Kept()


def _write(file: int, kept: _Kept) -> None:
    counts = [[each.day, each.endpoint, each.requests, each.errors] for each in kept.counts]
    content = orjson.dumps({"looked_at": kept.looked_at, "counts": counts})
    os.pwrite(file, content, 0)
    os.ftruncate(file, len(content))
