"""The one way to the DuckDB file: opened per operation, one transaction, closed always.

DuckDB lets one process write or many read, so a connection is held for as short as it takes and never while waiting
or fetching. Inside a process DuckDB refuses a reading handle beside a writing one, so opens take turns.

Never open the file by other means in a process that may have it open here: closing any file descriptor of it drops the
POSIX lock that keeps other processes out.
"""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

import duckdb
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential, wait_random

from linkt_pipeline.permissions import make_private_folder
from linkt_pipeline.warehouse.duckdb_errors import is_lock_conflict, opening_error, unwritable_error
from linkt_pipeline.warehouse.engines.compaction import compact_file
from linkt_pipeline.warehouse.engines.file_engine import Engine
from linkt_pipeline.warehouse.engines.file_mark import has_file, require_not_moved
from linkt_pipeline.warehouse.engines.replacement import Replacement, remove_leftovers
from linkt_pipeline.warehouse.engines.turn_in_process import TurnInProcess
from linkt_pipeline.warehouse.errors import WarehouseBusyError, WarehouseMissingError
from linkt_pipeline.warehouse.files import copy_inside_kernel, exclude_rivals, kept_in_place, shared_lock
from linkt_pipeline.warehouse.migration import migrate, needs_migration
from linkt_pipeline.warehouse.old_names import OLD_NAME, has_old_name, rename_warehouse
from linkt_pipeline.warehouse.running_duckdb import DEFAULT_MEMORY_LIMIT
from linkt_pipeline.warehouse.warehouse import DEFAULT_LOCK_TIMEOUT, Compaction, Copied, Warehouse

P = ParamSpec("P")
T = TypeVar("T")

# For connections that commit once and close; sessions use DuckDB's defaults. A commit beyond the threshold goes into
# the file at once instead of into the log first, which is half the writing. Merging row groups is left to sessions:
# done at each close, it takes more time than the rest of a batch, and as much memory as all the rows it merges.
_FOR_ONE_TRANSACTION = "set checkpoint_threshold = '1MB'; set max_vacuum_tasks = 0"
_FOR_MANY = "reset checkpoint_threshold; reset max_vacuum_tasks"


class _Turn(TurnInProcess):
    """Whose turn it is to open one file in this process.

    Attributes:
        engine: the engine that opened the file last; only the thread that has the turn may use it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.engine: Engine | None = None

    def engine_for(self, path: Path, memory_limit: str) -> Engine:
        if self.engine is None or self.engine.memory_limit != memory_limit:
            if self.engine is not None:
                self.engine.stop()
            self.engine = Engine(path, memory_limit)
        return self.engine


_turns: dict[Path, _Turn] = {}
_turns_guard = threading.Lock()


def _turn_for(path: Path) -> _Turn:
    with _turns_guard:
        return _turns.setdefault(path, _Turn())


class FileWarehouse(Warehouse):
    """A DuckDB file that several processes share.

    A second thread of the process waits for the first one. Another process is tried again and again, with pauses of
    random length. Both wait for ``lock_timeout`` at most.

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

    @property
    def place(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def folder(self) -> Path:
        """Where the file lies."""
        return self.path.parent

    def size(self) -> int:
        """See :meth:`Warehouse.size`: the file and its log."""
        sizes = 0
        for path in (self.path, self.path.with_name(f"{self.path.name}.wal")):
            with suppress(FileNotFoundError):  # there is a log while somebody writes
                sizes += path.stat().st_size
        return sizes

    def owns(self, path: Path) -> bool:
        """See :meth:`Warehouse.owns`."""
        name = self.path.name
        ours = {self.folder / each for each in (name, *(f"{name}.{what}" for what in ("wal", "tmp", "next")))}
        return not ours.isdisjoint([path.resolve(), *path.resolve().parents])

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """See :meth:`Warehouse.read`. Other readers may have the file open at the same time, writers may not."""
        with self._opened(read_only=True) as con:
            try:
                yield con
            except duckdb.IOException as error:
                better = opening_error(error, self.path, 0)
                if better is not None:
                    raise better from error
                raise

    @contextmanager
    def _held(self, *, threads: int | None = None, many: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._opened(threads=threads, settings=_FOR_MANY if many else _FOR_ONE_TRANSACTION) as con:
            yield con

    @contextmanager
    def _opened(
        self, *, read_only: bool = False, threads: int | None = None, settings: str = _FOR_ONE_TRANSACTION
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """The file with the tables that this code knows."""

        def attached(*, reading: bool) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
            return self._attached(read_only=reading, threads=threads, settings=settings)

        with _turn_for(self.path).taken(self.place, self.lock_timeout), ExitStack() as opened:
            self._take_new_name()
            # DuckDB does not create a file that it opens for reading.
            con = opened.enter_context(attached(reading=read_only and self.path.exists()))
            if needs_migration(con, self.place):
                # This handle goes first: it may be a reading one, and DuckDB refuses a writing one beside it.
                opened.close()
                with attached(reading=False) as con:
                    self._bring_up_to_date(con)
                con = opened.enter_context(attached(reading=read_only))
            if not read_only:
                remove_leftovers(self.path)  # nobody else has the file open, so nobody is writing another one for it
            yield con

    @property
    def exists(self) -> bool:
        """Whether there is a file yet.

        Raises:
            WarehouseMovedError: it was moved to a lake.
        """
        require_not_moved(self.path)
        return has_file(self.path)

    def _take_new_name(self) -> None:
        """Rename the file of an older version. The caller must have the turn."""
        if has_old_name(self.path):
            started = time.monotonic()
            try:
                self._patiently(rename_warehouse, self.path)
            except (duckdb.Error, OSError) as error:
                better = opening_error(error, self.path.with_name(OLD_NAME), time.monotonic() - started)
                if better is not None:
                    raise better from error
                raise

    def _patiently(self, open_file: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Open a file, waiting while another process has it.

        The wait is for the lock message alone: no other error goes away by itself.
        """
        retrying = Retrying(
            retry=retry_if_exception(is_lock_conflict),
            # The random part keeps processes that wait together from trying together.
            wait=wait_exponential(multiplier=0.005, max=0.2) + wait_random(0, 0.04),
            stop=stop_after_delay(self.lock_timeout),
            reraise=True,
        )
        return retrying(open_file, *args, **kwargs)

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
        """See :meth:`Warehouse.migrate`."""
        with self._opened():
            pass

    def copy_to(self, target: Path) -> Copied:
        """See :meth:`Warehouse.copy_to`: the file as it is, which takes as long as the disk does."""
        with self._frozen():
            locked = time.monotonic()
            copy_inside_kernel(self.path, target)
            return Copied(datetime.now(UTC), time.monotonic() - locked)

    def note_published(self, copied: Copied) -> None:
        """See :meth:`Warehouse.note_published`: a file can't be read as it was, so there is nothing to note."""

    def compact(self) -> Compaction:
        """See :meth:`Warehouse.compact`: a new file without that space, in place of this one."""
        return compact_file(self)

    def rewrite(self) -> None:
        """See :meth:`Warehouse.rewrite`; what a killed process had put aside beside the file goes too."""
        compact_file(self, always=True)
        with self._frozen():
            shutil.rmtree(self.path.with_name(f"{self.path.name}.tmp"), ignore_errors=True)

    @contextmanager
    def replaceable(self) -> Iterator[Replacement]:
        """The file, complete and unchanging inside of the block, which may move another file into its place.

        One process at a time has this right. Readers are let in.

        Raises:
            WarehouseMissingError, WarehouseBusyError...: see :meth:`copy_to`.
        """
        with self._frozen(to_replace=True) as file:
            # Several processes may hold the shared lock; one of them may prepare another file.
            if not exclude_rivals(file):
                raise WarehouseBusyError(
                    f"{self.path} is being compacted or moved by another process; let that one finish"
                )
            replacement = Replacement(self.path, file, self.lock_timeout)
            with replacement.prepared():
                yield replacement

    @contextmanager
    def _frozen(self, *, to_replace: bool = False) -> Iterator[IO[bytes]]:
        if not self.exists:
            raise WarehouseMissingError(f"{self.path} does not exist yet; `linkt-pipeline sync` or `run` creates it")
        # An older file is renamed and migrated here, which the lock below would keep from happening.
        with self._opened(read_only=True):
            pass
        with _turn_for(self.path).taken(self.place, self.lock_timeout):
            log = self.path.with_name(f"{self.path.name}.wal")
            deadline = time.monotonic() + self.lock_timeout.total_seconds()
            while True:
                if log.exists():
                    with self._attached(read_only=False):
                        pass  # closing it writes the log of a killed process into the file
                with shared_lock(self.path, to_replace=to_replace) as file:
                    # Looked at again under the lock: a writer may have been killed since, and left a log.
                    if file is not None and not log.exists():
                        yield file
                        return
                if time.monotonic() > deadline:
                    raise WarehouseBusyError(f"{self.path} was being written for too long; try again later")
                with self._attached(read_only=True):
                    pass  # waits for the writer, and names it when that takes too long

    def _bring_up_to_date(self, con: duckdb.DuckDBPyConnection) -> None:
        try:
            migrate(con)
        except duckdb.Error as error:
            better = unwritable_error(error, self.path)
            if better is not None:
                raise better from error
            raise

    @contextmanager
    def _attached(
        self, *, read_only: bool, threads: int | None = None, settings: str = _FOR_ONE_TRANSACTION
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """The file as it is. The caller must have the turn."""
        engine = _turn_for(self.path).engine_for(self.path, self._memory_limit)
        con = self._attach(engine, read_only, threads, settings)
        try:
            yield con
        except BaseException:
            con.close()
            engine.stop()  # some failures outlast the connection
            raise
        else:
            engine.detach(con)

    def _attach(self, engine: Engine, read_only: bool, threads: int | None, settings: str) -> duckdb.DuckDBPyConnection:
        started = time.monotonic()
        try:
            if not read_only:
                make_private_folder(self.path.parent)
            con = self._patiently(self._attach_in_place, engine, read_only, threads, settings)
        except (duckdb.Error, OSError) as error:
            engine.stop()
            better = opening_error(error, self.path, time.monotonic() - started)
            if better is not None:
                raise better from error
            raise
        return con

    def _attach_in_place(
        self, engine: Engine, read_only: bool, threads: int | None, settings: str
    ) -> duckdb.DuckDBPyConnection:
        with kept_in_place(self.path.parent):
            require_not_moved(self.path)  # here, because nobody moves it away until it is open
            return engine.attach(read_only=read_only, threads=threads, settings=settings)
