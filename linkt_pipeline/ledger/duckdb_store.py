"""The ledger in the warehouse: ``linkt.executions``, ``linkt.undelivered`` and ``linkt.answers``.

A transaction of the ledger is one of the warehouse, under its exclusive lock. So two processes that start a task at one
moment get one row, and a run is landed together with its row.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import duckdb

from linkt_pipeline.clock import seconds_since_boot
from linkt_pipeline.ledger.rows import LedgerRows, RowLock
from linkt_pipeline.ledger.store import LedgerStore
from linkt_pipeline.warehouse.tombstones import Mentions
from linkt_pipeline.warehouse.warehouse import Warehouse


class DuckDbStore(LedgerStore):
    """See :class:`~linkt_pipeline.ledger.store.LedgerStore`."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    @contextmanager
    def read(self) -> Iterator[LedgerRows]:
        """See :meth:`LedgerStore.read`."""
        with self._warehouse.read() as con:
            yield _DuckDbRows(con)

    @contextmanager
    def write(self, *, news: bool = True) -> Iterator[LedgerRows]:
        """See :meth:`LedgerStore.write`."""
        with self._warehouse.write(news=news) as con:
            yield _DuckDbRows(con)

    def land(self, *, news: bool = True) -> AbstractContextManager[LedgerRows]:
        """See :meth:`LedgerStore.land`; one transaction for both."""
        return self.write(news=news)

    def erase(self, mentions: Mentions) -> None:
        """The warehouse, which holds the rows, takes the words out of all of its tables."""

    def require_erasable(self, mentions: Mentions) -> None:
        """The warehouse's own step looks at all of its tables."""

    def mirror(self) -> None:
        """The warehouse holds the rows themselves."""


class _DuckDbRows(LedgerRows):
    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        # Read only once the file is ours, so that the times of rows are in the order of the claims.
        self.asked_at, self.now = seconds_since_boot(), _now()

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        return self._con

    def hold(self, name: str) -> None:
        """The transaction has the whole file."""

    def _locking(self, lock: RowLock) -> str:
        return ""

    def _select(self, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._con.execute(query, parameters).fetchall()

    def _write(self, statement: str, parameters: Sequence[Any]) -> int:
        return int(self._con.execute(statement, parameters).fetchall()[0][0])


def _now() -> datetime:
    return datetime.now(UTC)
