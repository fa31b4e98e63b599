"""What a warehouse is to the rest of the product, whichever engine holds its rows (see the room ``engines``).

Every use is one transaction, or several of a session. In a process one thread at a time has the warehouse open, and of
all processes one writes at a time.
"""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import duckdb
from pydantic import SecretStr

from linkt_pipeline.warehouse.files import exclude_rivals
from linkt_pipeline.warehouse.state import note_change

DEFAULT_LOCK_TIMEOUT = timedelta(seconds=30)
DEFAULT_HOLD = timedelta(seconds=5)
_TURN_FOR_OTHERS = 0.25  # seconds; longer than the longest pause between two looks of a process that waits


@dataclass(frozen=True)
class Copied:
    """A copy that was taken of a warehouse.

    Attributes:
        as_of: when, in UTC.
        locked_seconds: how long writers were kept waiting.
        snapshot: the engine's own number of that moment, where it has one.
    """

    as_of: datetime
    locked_seconds: float
    snapshot: int | None = None


@dataclass(frozen=True)
class Compaction:
    """What was given back.

    Attributes:
        before: size of the warehouse, in bytes.
        after: its size now; equal to ``before`` if there was nothing to give back.
        seconds: how long writers were kept waiting.
    """

    before: int
    after: int
    seconds: float


@dataclass(frozen=True)
class SharedLedger:
    """Where the hosts that share a warehouse keep what is not in it: the ledger and the budget of requests.

    Attributes:
        address: of a database of a PostgreSQL.
        schema: there.
    """

    address: SecretStr
    schema: str


class Warehouse(ABC):
    """All rows of a deployment, which several processes share.

    Every method may be called from any thread. A thread that has the warehouse open must not open it again.

    Attributes:
        lock_timeout: how long to wait for others.
        contact_key: with it, contact data of people are hashed before they are landed; None: they are landed as sent.
        ledger: where the ledger is; None: in the warehouse itself.
        needs_upkeep: it grows and gets slow unless :meth:`compact` is called daily.
    """

    lock_timeout: timedelta
    contact_key: bytes | None = None
    ledger: SharedLedger | None = None
    needs_upkeep: ClassVar[bool] = False

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is, for people; no secret is part of it."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Folder of this machine in which the deployment's processes keep their files beside the warehouse."""

    @abstractmethod
    def owns(self, path: Path) -> bool:
        """Whether a file is part of it, or its engine's own beside it."""

    @property
    @abstractmethod
    def exists(self) -> bool:
        """Whether it was made yet."""

    @abstractmethod
    def size(self) -> int:
        """Bytes that its files take.

        Raises:
            WarehouseBusyError...: see :meth:`read`.
        """

    @abstractmethod
    def read(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A read-only connection, which sees the rows of one moment.

        Raises:
            WarehouseBusyError: someone else held it for too long; names the holder.
            NotAWarehouseError: it is none, or what is read of it is damaged.
            NewerWarehouseError: it was written by a newer version of this product or of DuckDB.
            WarehouseUnwritableError: it does not exist or is of an older version, and can't be brought up to date.
            WarehouseInUseError: this thread has it open already.
        """

    @contextmanager
    def write(self, *, threads: int | None = None, news: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-write connection inside ONE transaction: committed at the end, rolled back on any exception.

        Args:
            threads: of DuckDB; one is the cheapest for thousands of rows (half the CPU time of two), and leaves the
                other cores to the readers of the next rows. Default: as many as there are, four at most.
            news: what is written has to be built into the models and published. False is for records that no model
                reads. The default is True, because news without that mark might never be published.

        Raises:
            WarehouseUnwritableError: the disk refused; nothing of this transaction was kept, all before it was.
            WarehouseBusyError, NotAWarehouseError, NewerWarehouseError, WarehouseInUseError: see :meth:`read`.
        """
        with self._held(threads=threads) as con, self._transaction(con):
            yield con
            if news:
                note_change(con)

    @contextmanager
    def session(self, hold: timedelta = DEFAULT_HOLD) -> Iterator["Session"]:
        """Many small transactions for the price of one opening.

        Args:
            hold: after so long the warehouse is given up between two transactions, so that others get their turn.
        """
        session = Session(self, hold)
        try:
            yield session
        finally:
            session.give_up()

    @abstractmethod
    def migrate(self) -> None:
        """Make it, or bring its tables up to date. ``read`` and ``write`` do so when needed."""

    @abstractmethod
    def copy_to(self, target: Path) -> Copied:
        """Write all of it, as it is at one moment, into a new DuckDB file. Readers are not kept out.

        Raises:
            WarehouseMissingError: there is nothing to copy yet.
            WarehouseBusyError, NotAWarehouseError, NewerWarehouseError, WarehouseUnwritableError: see :meth:`read`.
        """

    @abstractmethod
    def note_published(self, copied: Copied) -> None:
        """Note that a copy has passed its checks and is published.

        An engine that can be read as it was keeps that moment readable until the next one is published.
        """

    @contextmanager
    def alone(self, work: str) -> Iterator[bool]:
        """Keep every other process that shares the warehouse from a piece of work, which may take hours.

        Args:
            work: its name.

        Yields:
            Whether this process may do it; False while another one does.
        """
        path = self.folder / f"{work}.lock"
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
            yield exclude_rivals(file)

    @abstractmethod
    def compact(self) -> Compaction:
        """Give back the space of rows that were deleted or replaced.

        Raises:
            WarehouseMissingError: there is no warehouse yet.
            WarehouseBusyError: others have it for longer than the lock timeout.
            WarehouseUnwritableError: the disk has no room for what is written meanwhile.
        """

    def rewrite(self) -> None:
        """Rewrite the warehouse, so that none of its files holds anything of rows that were deleted.

        :meth:`compact` may leave such a file in place; this method may not.

        Raises:
            WarehouseMissingError, WarehouseBusyError, WarehouseUnwritableError: see :meth:`compact`.
        """
        self.compact()

    @abstractmethod
    def _held(
        self, *, threads: int | None = None, many: bool = False
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A read-write connection with the tables that this code knows; no other process writes meanwhile.

        Args:
            threads: of DuckDB.
            many: several transactions follow, not one.
        """

    @abstractmethod
    def _transaction(self, con: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
        """One transaction of a connection that is held: committed at the end, rolled back on any exception."""


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
            self._con = self._opened.enter_context(self._warehouse._held(many=True))
            self._since = time.monotonic()
        with self._warehouse._transaction(self._con):
            yield self._con

    def give_up(self) -> None:
        """Let others have the warehouse; the next transaction opens it again."""
        self._con = None
        self._opened.close()
