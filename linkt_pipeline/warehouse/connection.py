"""The one way to the DuckDB file: opened per operation, one transaction, closed always.

DuckDB lets one process write or many read, so a connection is held for as short as it takes and never while waiting
or fetching. Inside a process DuckDB refuses a reading handle beside a writing one, so opens take turns.

The file is attached under the name ``warehouse`` to a database in memory. Opened directly, ``linkt.duckdb`` would
become a catalog called ``linkt``, and DuckDB then refuses ``linkt.runs`` as ambiguous with the schema ``linkt``.

Never open the file by other means in a process that may have it open here: closing any file descriptor of it drops the
POSIX lock that keeps other processes out.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import duckdb
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential, wait_random

from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.errors import WarehouseBusyError, WarehouseInUseError, WarehouseMissingError
from linkt_pipeline.warehouse.faults import is_lock_conflict, opening_error, unwritable_error
from linkt_pipeline.warehouse.files import shared_lock
from linkt_pipeline.warehouse.migration import migrate, needs_migration

DEFAULT_LOCK_TIMEOUT = timedelta(seconds=30)
DEFAULT_MEMORY_LIMIT = "512MB"  # leaves room for Python and Dagster below 1 GiB; DuckDB spills beyond it
MAX_THREADS = 4
DEFAULT_HOLD = timedelta(seconds=5)
# For connections that commit once and close; sessions use DuckDB's defaults. A commit beyond the threshold goes into
# the file at once instead of into the log first, which is half the writing. Merging row groups is left to sessions:
# done at each close, it takes more time than the rest of a batch, and as much memory as all the rows it merges.
_ONE_TRANSACTION: dict[str, str | int] = {"checkpoint_threshold": "1MB", "max_vacuum_tasks": 0}
_TURN_FOR_OTHERS = 0.25  # seconds; longer than the longest pause between two looks of a process that waits
CATALOG = "warehouse"


class _Turn:
    """Whose turn it is to open one file in this process; remembers the thread to tell a deadlock from a queue."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None

    @contextmanager
    def taken(self, path: Path, timeout: timedelta) -> Iterator[None]:
        if self._holder == threading.get_ident():
            raise WarehouseInUseError(
                f"{path} is already open in this thread; hand that connection on instead of opening a second one"
            )
        if not self._lock.acquire(timeout=timeout.total_seconds()):
            raise WarehouseBusyError(
                f"{path} was kept open by another part of this process for {timeout.total_seconds():.0f} s; "
                "let that step finish, then run this again",
                pid=os.getpid(),
            )
        self._holder = threading.get_ident()
        try:
            yield
        finally:
            self._holder = None
            self._lock.release()


_turns: dict[Path, _Turn] = {}
_turns_guard = threading.Lock()


def _turn_for(path: Path) -> _Turn:
    with _turns_guard:
        return _turns.setdefault(path, _Turn())


class Warehouse:
    """A DuckDB file that several processes share.

    Every method may be called from any thread. A second thread of the process waits for the first, another process is
    waited for with jittered pauses; both for ``lock_timeout`` at most.

    Args:
        path: the DuckDB file; created with its folder by the first use.
        lock_timeout: how long to wait for others.
        memory_limit: DuckDB's own limit, beyond which it spills into a folder beside the file.
    """

    def __init__(
        self,
        path: Path,
        *,
        lock_timeout: timedelta = DEFAULT_LOCK_TIMEOUT,
        memory_limit: str = DEFAULT_MEMORY_LIMIT,
    ) -> None:
        self.path = Path(path).expanduser().resolve()
        self.lock_timeout = lock_timeout
        self._memory_limit = memory_limit

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection. Other readers may have the file open at the same time, writers may not.

        Raises:
            WarehouseBusyError: someone else held the file for too long; names the holder.
            NotAWarehouseError: the file is not a DuckDB database, or what is read of it is damaged.
            NewerWarehouseError: it was written by a newer version of this product or of DuckDB.
            WarehouseUnwritableError: it does not exist or is of an older version, and can't be brought up to date.
            WarehouseInUseError: this thread has it open already.
        """
        with _turn_for(self.path).taken(self.path, self.lock_timeout):
            con = self._connect_up_to_date(read_only=True)
            try:
                yield con
            except duckdb.IOException as error:
                better = opening_error(error, self.path, 0)
                if better is not None:
                    raise better from error
                raise
            finally:
                con.close()

    @contextmanager
    def write(self, *, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-write connection inside ONE transaction: committed at the end, rolled back on any exception.

        Args:
            threads: of DuckDB; one is the cheapest for thousands of rows (half the CPU time of two), and leaves the
                other cores to whoever fetches the next ones. Default: as many as there are, four at most.

        Raises:
            WarehouseUnwritableError: the disk refused; nothing of this transaction was kept, all before it was.
            WarehouseBusyError, NotAWarehouseError, NewerWarehouseError, WarehouseInUseError: see :meth:`read`.
        """
        with self._opened() as con:
            if threads is not None:
                con.execute(f"set threads = {int(threads)}")
            with self._transaction(con):
                yield con

    @contextmanager
    def session(self, hold: timedelta = DEFAULT_HOLD) -> Iterator["Session"]:
        """Many small transactions for the price of one open and one checkpoint, which also tidies up the file.

        Args:
            hold: after so long the file is given up between two transactions, so that others get their turn.
        """
        session = Session(self, hold)
        try:
            yield session
        finally:
            session.give_up()

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with _turn_for(self.path).taken(self.path, self.lock_timeout):
            con = self._connect_up_to_date(read_only=False)
            try:
                yield con
            finally:
                con.close()

    @contextmanager
    def _transaction(self, con: duckdb.DuckDBPyConnection) -> Iterator[None]:
        try:
            con.execute("begin transaction")
            yield
            con.execute("commit")
        except BaseException as error:
            with suppress(duckdb.Error):  # a failed commit has ended the transaction already
                con.execute("rollback")
            better = unwritable_error(error, self.path) if isinstance(error, duckdb.Error) else None
            if better is not None:
                raise better from error
            raise

    def migrate(self) -> None:
        """Create the file or bring its tables up to date. ``read`` and ``write`` do so when needed."""
        with _turn_for(self.path).taken(self.path, self.lock_timeout):
            self._connect_up_to_date(read_only=False).close()

    @contextmanager
    def frozen(self) -> Iterator[Path]:
        """The file itself, complete and unchanging while inside, for copying it. Readers are not kept out.

        Raises:
            WarehouseMissingError: there is no file yet.
            WarehouseBusyError, NotAWarehouseError, NewerWarehouseError, WarehouseUnwritableError: see :meth:`read`.
        """
        if not self.path.exists():
            raise WarehouseMissingError(f"{self.path} does not exist yet; `linkt-pipeline sync` or `run` creates it")
        with _turn_for(self.path).taken(self.path, self.lock_timeout):
            self._connect_up_to_date(read_only=True).close()
            deadline = time.monotonic() + self.lock_timeout.total_seconds()
            while True:
                if self.path.with_name(f"{self.path.name}.wal").exists():
                    self._connect(
                        read_only=False
                    ).close()  # closing it writes the log of a killed process into the file
                with shared_lock(self.path) as is_locked:
                    if is_locked and not self.path.with_name(f"{self.path.name}.wal").exists():
                        yield self.path
                        return
                if time.monotonic() > deadline:
                    raise WarehouseBusyError(f"{self.path} was being written for too long; try again later")
                self._connect(read_only=True).close()  # waits for the writer, and names it when that takes too long

    def _connect_up_to_date(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        if read_only and self.path.exists():
            con = self._connect(read_only=True)
            if not self._is_behind(con):
                return con
            con.close()
        con = self._connect(read_only=False)
        if self._is_behind(con):
            self._bring_up_to_date(con)
        if not read_only:
            return con
        con.close()
        return self._connect(read_only=True)

    def _is_behind(self, con: duckdb.DuckDBPyConnection) -> bool:
        try:
            return needs_migration(con, self.path)
        except BaseException:
            con.close()
            raise

    def _bring_up_to_date(self, con: duckdb.DuckDBPyConnection) -> None:
        try:
            migrate(con)
        except BaseException as error:
            con.close()
            better = unwritable_error(error, self.path) if isinstance(error, duckdb.Error) else None
            if better is not None:
                raise better from error
            raise

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        """Open the file, waiting while another process has it.

        The wait is for the lock message alone: no other error goes away by itself.
        """
        started = time.monotonic()
        retrying = Retrying(
            retry=retry_if_exception(is_lock_conflict),
            wait=wait_exponential(multiplier=0.005, max=0.2) + wait_random(0, 0.04),
            stop=stop_after_delay(self.lock_timeout),
            reraise=True,
        )
        try:
            if not read_only:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            con: duckdb.DuckDBPyConnection = retrying(self._attach, read_only)
        except (duckdb.Error, OSError) as error:
            better = opening_error(error, self.path, time.monotonic() - started)
            if better is not None:
                raise better from error
            raise
        return con

    def _attach(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(config=self._config())
        try:
            con.execute(f"attach {literal(str(self.path))} as {CATALOG} {'(read_only)' if read_only else ''}")
            con.execute(f"use {CATALOG}")
            con.execute("set TimeZone = 'UTC'")
        except BaseException:
            con.close()
            raise
        return con

    def _config(self) -> dict[str, str | bool | int | float | list[str]]:
        return {
            "memory_limit": self._memory_limit,
            "threads": min(MAX_THREADS, os.cpu_count() or 1),
            "temp_directory": str(self.path.with_name(f"{self.path.name}.tmp")),
            "preserve_insertion_order": False,
            **_ONE_TRANSACTION,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }


class Session:
    """See :meth:`Warehouse.session`. Of one thread, which must not open the warehouse otherwise while it lasts."""

    def __init__(self, warehouse: Warehouse, hold: timedelta) -> None:
        self._warehouse = warehouse
        self._hold = hold.total_seconds()
        self._opened = ExitStack()
        self._con: duckdb.DuckDBPyConnection | None = None
        self._since = 0.0

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-write connection inside one transaction, as :meth:`Warehouse.write` gives it.

        Raises:
            WarehouseBusyError, WarehouseUnwritableError...: see :meth:`Warehouse.write`.
        """
        if self._con is not None and time.monotonic() - self._since > self._hold:
            self.give_up()
            time.sleep(_TURN_FOR_OTHERS)
        if self._con is None:
            self._con = self._opened.enter_context(self._warehouse._opened())
            for name in _ONE_TRANSACTION:
                self._con.execute(f"reset {name}")
            self._since = time.monotonic()
        with self._warehouse._transaction(self._con):
            yield self._con

    def give_up(self) -> None:
        """Close the file, which writes its log into it; the next transaction opens it again."""
        self._con = None
        self._opened.close()
