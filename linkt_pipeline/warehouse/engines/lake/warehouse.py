"""The lake as a warehouse: who reads sees one moment, who writes has the turn.

Nobody has to be alone to read. So only transactions that write wait for other processes; a process's own threads take
turns, as at every warehouse.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import duckdb
import psycopg

from linkt_pipeline.warehouse.engines.file_mark import coming_file, has_file
from linkt_pipeline.warehouse.engines.lake.copying import copy_lake
from linkt_pipeline.warehouse.engines.lake.creation import (
    answers,
    bring_up_to_date,
    catalog_id,
    is_made,
    make_lake,
    require_no_files,
)
from linkt_pipeline.warehouse.engines.lake.elsewhere import Elsewhere, elsewhere_error, read_elsewhere
from linkt_pipeline.warehouse.engines.lake.engine import LakeEngine
from linkt_pipeline.warehouse.engines.lake.errors import is_passing, lake_error
from linkt_pipeline.warehouse.engines.lake.fence import pass_fence
from linkt_pipeline.warehouse.engines.lake.maintenance import (
    DEFAULT_KEEP,
    THREADS,
    bytes_of_files,
    compact_lake,
    rewrite_catalog,
    rewrite_lake,
)
from linkt_pipeline.warehouse.engines.lake.place import LakePlace
from linkt_pipeline.warehouse.engines.lake.published import forget_snapshot, note_snapshot
from linkt_pipeline.warehouse.engines.lake.shared_folder import require_folder
from linkt_pipeline.warehouse.engines.lake.spill import remove_left_spills
from linkt_pipeline.warehouse.engines.lake.taken import TakenLake
from linkt_pipeline.warehouse.engines.lake.turn import Turn, alone
from linkt_pipeline.warehouse.engines.replacement import remove_leftovers
from linkt_pipeline.warehouse.engines.turn_in_process import TurnInProcess
from linkt_pipeline.warehouse.errors import WarehouseMissingError
from linkt_pipeline.warehouse.migration import needs_migration
from linkt_pipeline.warehouse.old_names import WAREHOUSE_NAME
from linkt_pipeline.warehouse.running_duckdb import DEFAULT_MEMORY_LIMIT
from linkt_pipeline.warehouse.warehouse import DEFAULT_LOCK_TIMEOUT, Compaction, Copied, Warehouse


class _Attached(TurnInProcess):
    """What a process keeps of one lake between two uses.

    Attributes:
        engine: has it attached.
        turn: its way to the turn.
        catalog: which one is attached; see :func:`catalog_id`.
    """

    def __init__(self, place: LakePlace, spill: Path, memory_limit: str) -> None:
        super().__init__()
        self.engine = LakeEngine(place, spill, memory_limit)
        self.turn = Turn(place)
        self.catalog: int | None = None


_Key = tuple[LakePlace, Path, str]

_kept: dict[_Key, _Attached] = {}
_guard = threading.Lock()


def _attached(key: _Key) -> _Attached:
    with _guard:
        if key not in _kept:
            _kept[key] = _Attached(*key)
        return _kept[key]


def _leave_to_parent() -> None:
    global _guard
    _guard = threading.Lock()
    for attached in _kept.values():
        attached.engine.leave_to_parent()
        attached.turn.leave_to_parent()
    _kept.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


class LakeWarehouse(Warehouse):
    """A DuckLake that processes of several hosts share.

    Args:
        lake: where it is.
        folder: of this machine, for the files that processes keep beside the warehouse.
        lock_timeout: how long to wait for others, and for PostgreSQL.
        memory_limit: DuckDB's own limit, beyond which it spills into the folder.
        keep: age up to which the lake can be read as it was; older snapshots go when it is compacted.
    """

    needs_upkeep = True

    def __init__(
        self,
        lake: LakePlace,
        folder: Path,
        *,
        lock_timeout: timedelta = DEFAULT_LOCK_TIMEOUT,
        memory_limit: str = DEFAULT_MEMORY_LIMIT,
        keep: timedelta = DEFAULT_KEEP,
    ) -> None:
        self.lock_timeout = lock_timeout
        self._keep = keep
        self._lake, self._folder = lake, Path(folder).expanduser().resolve()
        self._memory_limit = memory_limit

    @property
    def place(self) -> str:
        """Catalog and files."""
        return str(self._lake)

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self._folder

    def owns(self, path: Path) -> bool:
        """See :meth:`Warehouse.owns`."""
        folders = [self._spills, *([] if self._lake.is_in_bucket else [Path(self._lake.files).resolve()])]
        return any(folder in path.resolve().parents for folder in folders)

    @property
    def exists(self) -> bool:
        """Whether the catalog was made.

        Raises:
            CatalogUnreachableError, CatalogRefusedError: nobody can say.
            WarehouseMovedError: it was moved to a file, or is not complete yet.
        """
        with self._taken() as kept:
            self._require_in_use(kept)
            return self._is_made(kept)

    def size(self) -> int:
        """See :meth:`Warehouse.size`: the Parquet files of the present moment; those of older ones are not counted."""
        with self.read() as con:
            return bytes_of_files(con)

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """See :meth:`Warehouse.read`. Others may write meanwhile."""
        with self._opened(writes=False) as con:
            try:
                yield con
            finally:
                with suppress(duckdb.Error):  # a statement that failed has ended it, or the connection
                    con.execute("rollback")

    def migrate(self) -> None:
        """See :meth:`Warehouse.migrate`."""
        with self._opened(writes=True):
            pass

    def copy_to(self, target: Path) -> Copied:
        """See :meth:`Warehouse.copy_to`: every row, read from the lake at one moment. Writers are not kept waiting."""
        self._require_made()
        with self._opened(writes=False) as con:
            con.execute("rollback")  # it may only read
            return copy_lake(con, target)

    def note_published(self, copied: Copied) -> None:
        """See :meth:`Warehouse.note_published`."""
        if copied.snapshot is not None:
            with self.write(news=False) as con:
                note_snapshot(con, copied.snapshot, copied.as_of)

    @contextmanager
    def alone(self, work: str) -> Iterator[bool]:
        """See :meth:`Warehouse.alone`: on all hosts."""
        with alone(self._lake, work) as is_alone:
            yield is_alone

    def compact(self) -> Compaction:
        """See :meth:`Warehouse.compact`: few large files in place of many small ones; see maintenance.py."""
        self._require_made()
        with self._opened(writes=True, threads=THREADS) as con:
            return compact_lake(con, self._kept.turn.require, self._keep)

    def rewrite(self) -> None:
        """See :meth:`Warehouse.rewrite`; half a file that a killed move has left on this host goes too."""
        self._require_made()
        with self._opened(writes=True, threads=THREADS) as con:
            with self._transaction(con):
                forget_snapshot(con)
            rewrite_lake(con, self._kept.turn.require)
            self._kept.turn.ask(self.lock_timeout, partial(rewrite_catalog, self._lake))
            self._remove_left_moves()
        remove_left_spills(self._spills)

    def _remove_left_moves(self) -> None:
        """Remove what killed moves have left in the folder. Whoever has the turn knows that no move goes on."""
        file = self._folder / WAREHOUSE_NAME
        if not has_file(file):
            remove_leftovers(file)
            shutil.rmtree(coming_file(file).parent, ignore_errors=True)

    @contextmanager
    def taken_over(self) -> Iterator[TakenLake]:
        """The lake for a move, whether it is in use or not: nobody else writes it until the end of the block.

        Raises:
            WarehouseBusyError, CatalogUnreachableError, CatalogRefusedError: see :meth:`Warehouse.write`.
        """
        with self._taken() as kept, kept.turn.taken(self.lock_timeout):
            kept.engine.stop()  # what it has attached may be of a catalog that is made anew
            try:
                yield TakenLake(self._lake, kept.engine, kept.turn, self._transaction)
            except psycopg.Error as error:
                raise lake_error(error, self.place) or error from None
            finally:
                kept.engine.stop()
                kept.turn.close()  # its connection was set up for the move

    def close(self) -> None:
        """Give up what this process keeps attached; the next use attaches it again."""
        with _guard:
            kept = _kept.pop(self._key, None)
        if kept is not None:
            kept.engine.stop()
            kept.turn.close()

    @contextmanager
    def _held(self, *, threads: int | None = None, many: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        del many  # a lake stays attached in either case
        with self._opened(writes=True, threads=threads) as con:
            yield con

    @contextmanager
    def _transaction(self, con: duckdb.DuckDBPyConnection) -> Iterator[None]:
        self._kept.turn.require()
        con.execute("begin transaction")
        try:
            pass_fence(con)
            yield
            self._kept.turn.require()
            con.execute("commit")
        except BaseException:
            with suppress(duckdb.Error):  # a failed commit has ended the transaction already
                con.execute("rollback")
            raise

    @property
    def _kept(self) -> _Attached:
        return _attached(self._key)

    @property
    def _spills(self) -> Path:
        return self._folder / "lake.tmp"

    @property
    def _key(self) -> _Key:
        return self._lake, self._spills, self._memory_limit

    @contextmanager
    def _taken(self) -> Iterator[_Attached]:
        """The turn of this process's threads, with DuckDB's and PostgreSQL's errors made plain."""
        kept = self._kept
        with kept.taken(self.place, self.lock_timeout):
            try:
                yield kept
            except duckdb.Error as error:
                kept.engine.stop()  # some failures outlast the connection
                better = lake_error(error, self.place)
                if better is not None:
                    raise better from None
                raise

    def _require_in_use(self, kept: _Attached) -> None:
        found, catalog = kept.turn.ask(self.lock_timeout, self._in_postgres)
        if catalog != kept.catalog:
            kept.engine.stop()  # a move has made the catalog anew, and this process may know another one's tables
            kept.catalog = catalog
        if found is not None:
            raise elsewhere_error(self.place, found)

    def _in_postgres(self, con: psycopg.Connection) -> tuple[Elsewhere | None, int | None]:
        found = None if self.ledger is None else read_elsewhere(con, self.ledger.schema)
        return found, catalog_id(self._lake, con)

    def _is_made(self, kept: _Attached) -> bool:
        return kept.engine.is_running or kept.turn.ask(self.lock_timeout, partial(is_made, self._lake))

    def _require_made(self) -> None:
        if not self.exists:
            raise WarehouseMissingError(f"{self.place} does not exist yet; `linkt-pipeline sync` or `run` creates it")

    @contextmanager
    def _opened(self, *, writes: bool, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """The lake with the tables that this code knows; inside a transaction unless the caller writes."""
        with self._taken() as kept, ExitStack() as opened:
            if writes:
                opened.enter_context(kept.turn.taken(self.lock_timeout))
            self._require_in_use(kept)  # with the turn where it is needed, because a move has it until its end
            if not self._is_made(kept):
                with self._to_change(kept, has_turn=writes):
                    if not self._is_made(kept):  # nobody else was faster
                        require_no_files(self._lake)
                        make_lake(kept.engine)
                        kept.catalog = kept.turn.ask(self.lock_timeout, partial(catalog_id, self._lake))
            con, is_old = self._connected(kept, threads)
            opened.callback(con.close)
            require_folder(self._lake)  # each time: a share may be lost while the lake is attached
            if writes or is_old:
                con.execute("rollback")
            if is_old:
                with self._to_change(kept, has_turn=writes):
                    if needs_migration(con, self.place):  # nobody else was faster
                        bring_up_to_date(con, self._transaction)
                if not writes:
                    con.execute("begin transaction read only")
            yield con

    def _connected(self, kept: _Attached, threads: int | None) -> tuple[duckdb.DuckDBPyConnection, bool]:
        """A connection that answers, inside a transaction, and whether the tables are older than this code."""
        con = kept.engine.connect(threads=threads)
        try:
            return con, needs_migration(con, self.place)
        except duckdb.Error as error:
            con.close()
            if not is_passing(error):
                raise
            kept.engine.stop()
            kept.turn.ask(self.lock_timeout, answers)
            con = kept.engine.connect(threads=threads)
            return con, needs_migration(con, self.place)

    @contextmanager
    def _to_change(self, kept: _Attached, *, has_turn: bool) -> Iterator[None]:
        """The turn, for a reader that finds something to make first."""
        if has_turn:
            yield
            return
        with kept.turn.taken(self.lock_timeout):
            yield
