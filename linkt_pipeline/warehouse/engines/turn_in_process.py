"""Threads of one process take turns at a warehouse."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from linkt_pipeline.warehouse.errors import WarehouseBusyError, WarehouseInUseError


class TurnInProcess:
    """Whose turn it is in this process; knows the thread, to distinguish a deadlock from a queue."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None

    @contextmanager
    def taken(self, place: str, timeout: timedelta) -> Iterator[None]:
        """Wait for the turn, and have it inside of the block.

        Args:
            place: of the warehouse, for messages.
            timeout: how long to wait for the other threads.

        Raises:
            WarehouseBusyError: another thread had it for too long.
            WarehouseInUseError: this thread has it already.
        """
        # Only this thread can have written its own id, so the comparison needs no lock.
        if self._holder == threading.get_ident():
            raise WarehouseInUseError(
                f"{place} is already open in this thread; hand that connection on instead of opening a second one"
            )
        if not self._lock.acquire(timeout=timeout.total_seconds()):
            raise WarehouseBusyError(
                f"{place} was kept open by another part of this process for {timeout.total_seconds():.0f} s; "
                "let that step finish, then run this again",
                pid=os.getpid(),
            )
        self._holder = threading.get_ident()
        try:
            yield
        finally:
            self._holder = None
            self._lock.release()
