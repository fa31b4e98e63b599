"""Where the collection of runs has come to, as one JSON row of ``linkt.sync_state``."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import orjson

from linkt_pipeline.warehouse.state import read_state, write_state

OVERLAP = timedelta(minutes=10)
FIRST_LOOK_BACK = timedelta(days=30)
_NAME = "runs"


@dataclass(frozen=True)
class Cursor:
    """What is remembered between two collections.

    Attributes:
        updated_after: every run that changed up to this moment is landed, or among the following.
        unfinished: runs that had not ended, or could not be read.
    """

    updated_after: datetime | None = None
    unfinished: tuple[str, ...] = ()

    @classmethod
    def read(cls, con: duckdb.DuckDBPyConnection) -> "Cursor":
        """As it was written last."""
        stored = read_state(con, _NAME)
        if stored is None:
            return cls()
        value = orjson.loads(stored)
        after = value["updated_after"]
        return cls(datetime.fromisoformat(after) if after else None, tuple(value["unfinished"]))

    def write(self, con: duckdb.DuckDBPyConnection) -> None:
        """Keep it, in the caller's transaction."""
        write_state(con, _NAME, orjson.dumps(self).decode())

    def start(self, now: datetime) -> datetime:
        """From when on runs are listed. The list lags, so every look overlaps the last one."""
        return self.updated_after - OVERLAP if self.updated_after else now - FIRST_LOOK_BACK

    def moved(self, reached: datetime | None, now: datetime, unfinished: Iterable[str]) -> "Cursor":
        """After a look.

        Args:
            reached: every run that changed up to this moment was listed; None if that is not certain.
            now: when the look began. A time beyond it would hide everything that changes until then.
            unfinished: runs to look at again.
        """
        moments = filter(None, [self.updated_after, reached and min(reached, now)])
        return Cursor(max(moments, default=None), tuple(dict.fromkeys(unfinished)))
