"""The ledger in PostgreSQL, which several hosts share; the warehouse lies elsewhere.

What each transaction keeps from others, and why no more:

- A claim holds one name (``claims``), because it decides about rows that may not exist yet, and about a limit of all
  tasks together. Others that decide which task starts a run wait for it; while it waits for the warehouse, at most for
  its lock timeout. What must be quick holds no name that a claim holds: leases are renewed, and the id of a run that
  was just started is written down, whatever anybody waits for.
- A row is locked by whoever takes it over or closes it. Landing a run keeps the row of that run alone, in the mode that
  lets its lease be renewed. So it may wait for the warehouse as long as it must: its process goes on renewing the
  leases of all that it waits for, others land other runs, and only a process that wants to take this very run over
  waits for the end.
- The warehouse commits first, and the ledger last. A crash between leaves a run that is landed while its row is open:
  it is adopted and landed again, and nothing is bought.

All times are PostgreSQL's, so the clocks of the hosts decide nothing.
"""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any

import duckdb
import psycopg
from psycopg import errors

from linkt_pipeline.clock import seconds_since_boot
from linkt_pipeline.ledger import mirror
from linkt_pipeline.ledger.claims import CLAIMS
from linkt_pipeline.ledger.erased_words import erase_words, require_erasable
from linkt_pipeline.ledger.rows import LedgerRows, RowLock
from linkt_pipeline.ledger.store import LedgerStore
from linkt_pipeline.ledger.values import OPEN_STATES
from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.postgres.connections import connections_to
from linkt_pipeline.postgres.errors import busy_error, ledger_error
from linkt_pipeline.warehouse.credits import costs_of
from linkt_pipeline.warehouse.engines.lake.elsewhere import COLUMNS, Elsewhere, elsewhere_error
from linkt_pipeline.warehouse.tombstones import Mentions
from linkt_pipeline.warehouse.warehouse import Warehouse

_READ = "begin isolation level repeatable read read only"
_WRITE = "begin isolation level read committed read write"
_HOLD = "select pg_advisory_xact_lock(hashtextextended(current_schema() || '/' || %s, 0))"
# Whoever keeps a transaction of the ledger waiting that is waiting now; asked by the one that gave up.
_HOLDERS = """
select distinct holder.application_name
from pg_stat_activity as holder
where holder.datname = current_database() and holder.application_name <> '' and holder.pid in (
    select pid from pg_locks
    where granted and locktype = 'advisory'
        and (classid::bigint << 32) | objid::bigint = hashtextextended(current_schema() || '/' || %s, 0)
)
order by 1
"""


class PostgresStore(LedgerStore):
    """See :class:`~linkt_pipeline.ledger.store.LedgerStore`.

    Args:
        address: of the database; its schema is made by the first use.
        warehouse: of the deployment. One ledger belongs to one warehouse. Its lock timeout is that of the ledger, too.
    """

    def __init__(self, address: PostgresAddress, warehouse: Warehouse) -> None:
        self.address = address
        self._warehouse = warehouse

    @contextmanager
    def read(self) -> Iterator[LedgerRows]:
        """See :meth:`LedgerStore.read`."""
        with self._transaction(_READ) as postgres, ExitStack() as opened:
            yield _ReadingRows(postgres, lambda: opened.enter_context(self._warehouse.read()))

    @contextmanager
    def write(self, *, news: bool = True) -> Iterator[LedgerRows]:
        """See :meth:`LedgerStore.write`. What it writes is news to the warehouse once it is mirrored there."""
        del news
        with self._transaction(_WRITE) as postgres, ExitStack() as opened:
            yield _ReadingRows(postgres, lambda: opened.enter_context(self._warehouse.read()))

    @contextmanager
    def land(self, *, news: bool = True) -> Iterator[LedgerRows]:
        """See :meth:`LedgerStore.land`. What has changed in the ledger is mirrored in the same transaction."""
        with self._transaction(_WRITE) as postgres, ExitStack() as opened:
            rows = _LandingRows(postgres, lambda: opened.enter_context(self._warehouse.write(news=news)))
            yield rows
            rows.mirror_changes()

    def erase(self, mentions: Mentions) -> None:
        """See :meth:`LedgerStore.erase`."""
        with self.write() as rows:
            erase_words(rows, mentions)

    def require_erasable(self, mentions: Mentions) -> None:
        """See :meth:`LedgerStore.require_erasable`. What is owed is known here alone."""
        with self.read() as rows:
            require_erasable(rows, mentions)

    def mirror(self) -> None:
        """See :meth:`LedgerStore.mirror`. Writes nothing if nothing has changed."""
        with self._transaction(_READ) as postgres, ExitStack() as opened:
            rows = _ReadingRows(postgres, lambda: opened.enter_context(self._warehouse.read()))
            is_late = rows.mirror_is_late()
        if is_late:
            with self.land() as landing:
                _ = landing.con

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[psycopg.Connection]:
        timeout, since = self._warehouse.lock_timeout, time.monotonic()
        try:
            with connections_to(self.address).transaction(begin, timeout=timeout) as postgres:
                yield postgres
        except errors.LockNotAvailable:
            raise busy_error(self.address, self._holders(), time.monotonic() - since) from None
        except psycopg.Error as error:
            raise ledger_error(error, self.address, time.monotonic() - since) from error

    def _holders(self) -> list[str]:
        try:
            with connections_to(self.address).transaction(_READ, timeout=timedelta(0)) as postgres:
                return [name for (name,) in postgres.execute(_HOLDERS, [CLAIMS]).fetchall()]
        except psycopg.Error:
            return []


class _PostgresRows(LedgerRows):
    def __init__(self, postgres: psycopg.Connection, open_warehouse: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._postgres = postgres
        self._open_warehouse = open_warehouse
        self._con: duckdb.DuckDBPyConnection | None = None
        self._look_at_clocks()
        self._clock_ahead = self.now - datetime.now(UTC)

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        if self._con is None:
            self._con = self._opened()
        return self._con

    @property
    def clock_ahead(self) -> timedelta:
        return self._clock_ahead

    def hold(self, name: str) -> None:
        self._postgres.execute(_HOLD, [name])
        self._look_at_clocks()

    def _look_at_clocks(self) -> None:
        self.asked_at = seconds_since_boot()
        self.now = _now(self._postgres)

    def _locking(self, lock: RowLock) -> str:
        return lock.value

    def _select(self, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._postgres.execute(_in_postgres(query), parameters).fetchall()

    def _write(self, statement: str, parameters: Sequence[Any]) -> int:
        return self._postgres.execute(_in_postgres(statement), parameters).rowcount

    @abstractmethod
    def _opened(self) -> duckdb.DuckDBPyConnection:
        """The warehouse, with what its copy of the executions may lack."""

    def _unmirrored(self) -> list[tuple[Any, ...]]:
        """Rows that the warehouse may lack, in the order of the mirror's columns, and the version of each."""
        return self._postgres.execute(_UNMIRRORED).fetchall()


class _ReadingRows(_PostgresRows):
    """The warehouse is read. Where its copy of the executions is late, the rows of the ledger are laid on it."""

    @cached_property
    def in_warehouse(self) -> str:
        return mirror.show_now(self._handed_over)

    @cached_property
    def costs(self) -> str:
        return costs_of(self.con, self.in_warehouse)

    def mirror_is_late(self) -> bool:
        """Whether the warehouse lacks something of what the ledger says."""
        return mirror.differs(self._handed_over)

    @cached_property
    def _handed_over(self) -> duckdb.DuckDBPyConnection:
        con = self.con
        mirror.hand_over(con, [row[:-1] for row in self._late])
        return con

    def _opened(self) -> duckdb.DuckDBPyConnection:
        # Read before the warehouse is opened: a run that is landed between the two is in it, and counts once.
        self._late = self._unmirrored()
        return self._open_warehouse()


class _LandingRows(_PostgresRows):
    """The warehouse is written. Its copy of the executions is up to date from its opening to its end."""

    def mirror_changes(self) -> None:
        """Mirror what this transaction has changed, if it has used the warehouse."""
        if self._con is not None:
            self._write_down(self._con, self._unmirrored())

    def _opened(self) -> duckdb.DuckDBPyConnection:
        con = self._open_warehouse()
        # Read only now, while nobody else writes the warehouse: a later writer never has an older version of a row. So
        # what is committed and closed is noted as mirrored. What this transaction changes is not, as the next writer
        # may have the warehouse before it is committed here.
        rows = self._unmirrored()
        self._write_down(con, rows)
        state = mirror.COLUMNS.index("state")
        if closed := [(row[0], row[-1]) for row in rows if row[state] not in OPEN_STATES]:
            self._postgres.execute(_NOTE_MIRRORED, [list(part) for part in zip(*closed, strict=True)])
        return con

    def _write_down(self, con: duckdb.DuckDBPyConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        mirror.hand_over(con, [row[:-1] for row in rows])
        mirror.write_down(con)


_UNMIRRORED = (
    f"select {', '.join(mirror.COLUMNS)}, xmin::text from executions "  # noqa: S608
    "where not mirrored order by intended_at"
)
# A row that somebody is changing, or has changed since it was read, is noted the next time: nobody is waited for.
_NOTE_MIRRORED = """
update executions set mirrored = true where execution_id in (
    select execution_id from executions
    join unnest(%s::text[], %s::text[]) as seen (id, version) on execution_id = id and xmin::text = version
    where version <> pg_current_xact_id()::xid::text
    for no key update of executions skip locked
)
"""


@cache
def _in_postgres(statement: str) -> str:
    return statement.replace("?", "%s").replace(" linkt.", " ")


_NOW = f"select clock_timestamp(), {COLUMNS} from (select) as always left join elsewhere on true"  # noqa: S608


def _now(postgres: psycopg.Connection) -> datetime:
    """The present moment, if the ledger is in use.

    Raises:
        WarehouseMovedError: it was moved away, or is still to come.
    """
    ((now, *found),) = postgres.execute(_NOW).fetchall()
    if found[0] is not None:
        info = postgres.info
        place = f"the ledger (PostgreSQL at {info.host}:{info.port}, database {info.dbname})"
        raise elsewhere_error(place, Elsewhere.of(*found))
    return now.astimezone(UTC)  # type: ignore[no-any-return]


def hold_claims(postgres: psycopg.Connection) -> None:
    """In a transaction: nobody claims anything until it ends."""
    postgres.execute(_HOLD, [CLAIMS])
