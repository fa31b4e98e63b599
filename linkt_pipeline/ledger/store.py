"""Where the ledger is kept: what the rules need of a store."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from linkt_pipeline.ledger.rows import LedgerRows
from linkt_pipeline.warehouse.tombstones import Mentions


class LedgerStore(ABC):
    """The rows of the ledger, which several processes share. Every method may be called from any thread.

    Rows are locked before the warehouse is used, never after: who waits for the warehouse may hold rows, who has the
    warehouse waits for no row that is held meanwhile.
    """

    @abstractmethod
    def read(self) -> AbstractContextManager[LedgerRows]:
        """The rows, and the warehouse to read. The warehouse is as late as the rows, or later.

        Raises:
            WarehouseError: they can't be read.
        """

    @abstractmethod
    def write(self, *, news: bool = True) -> AbstractContextManager[LedgerRows]:
        """ONE transaction that changes rows of the ledger, and may read the warehouse.

        It is durable once it has ended without an exception. Nobody else changes what it has locked: see
        :meth:`~linkt_pipeline.ledger.rows.LedgerRows.hold` and :class:`~linkt_pipeline.ledger.rows.RowLock`.

        Args:
            news: see :meth:`~linkt_pipeline.warehouse.warehouse.Warehouse.write`.

        Raises:
            WarehouseError: nothing was written, or nobody can tell whether it was.
        """

    @abstractmethod
    def land(self, *, news: bool = True) -> AbstractContextManager[LedgerRows]:
        """As :meth:`write`, and the warehouse is written too.

        Where they are two databases, the warehouse commits first. After a crash between the two commits the ledger
        has not heard of what was landed: the run is adopted again, and landed again, which changes nothing.

        Args:
            news: see :meth:`~linkt_pipeline.warehouse.warehouse.Warehouse.write`.

        Raises:
            WarehouseError: as :meth:`write`; the warehouse may have been written.
        """

    @abstractmethod
    def erase(self, mentions: Mentions) -> None:
        """Take words that are erased out of rows that are not in the warehouse. Taken before the warehouse's own step.

        Raises:
            ErasureError: an execution that is open or owed needs them; nothing was changed.
            WarehouseError: the ledger can't be used now.
        """

    @abstractmethod
    def require_erasable(self, mentions: Mentions) -> None:
        """Ask whether :meth:`erase` would do its work now; nothing is changed.

        Raises:
            ErasureError, WarehouseError: see there.
        """

    @abstractmethod
    def mirror(self) -> None:
        """Bring ``linkt.executions`` of the warehouse up to date, for what is built and checked there.

        Raises:
            WarehouseError: one of the two can't be used now.
        """
