"""Where the ledger is kept: what the rules need of a store."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from linkt_pipeline.ledger.rows import LedgerRows


class LedgerStore(ABC):
    """The rows of the ledger, which several processes share. Every method may be called from any thread."""

    @abstractmethod
    def read(self) -> AbstractContextManager[LedgerRows]:
        """The rows, and the warehouse, as they are at one moment.

        Raises:
            WarehouseError: the warehouse can't be read.
        """

    @abstractmethod
    def write(self, *, news: bool = True) -> AbstractContextManager[LedgerRows]:
        """ONE transaction, in which no other process decides anything; durable once it has ended without an exception.

        Args:
            news: see :meth:`~linkt_pipeline.warehouse.warehouse.Warehouse.write`.

        Raises:
            WarehouseError: nothing was written.
        """
