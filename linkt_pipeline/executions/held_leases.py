"""Which leases this process certainly holds, by a clock that is its own and that nobody sets.

The ledger says until when a lease lasts by the ledger's clock, which may be another machine's. So a process never
compares its clock with that moment. It knows when it *asked* for the lease: the ledger granted it then or later, so it
lasts at least its length from there on.
"""

import time
from collections.abc import Iterable
from datetime import timedelta

# It counts the time that the machine sleeps, which time.monotonic() leaves out on Linux. Other systems have no such
# clock, or a CLOCK_MONOTONIC that counts it.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds_since_boot() -> float:
    """The time on a clock that only goes forward, the sleep of the machine included."""
    return time.clock_gettime(_CLOCK)


class HeldLeases:
    """The leases of one worker, as the ledger confirmed them last."""

    def __init__(self) -> None:
        self._asked_at: dict[str, float] = {}

    def confirm(self, execution_ids: Iterable[str], asked_at: float) -> None:
        """The ledger has granted or extended leases.

        Args:
            execution_ids: whose.
            asked_at: :func:`seconds_since_boot` right before the ledger was asked.
        """
        for execution_id in execution_ids:
            self._asked_at[execution_id] = max(asked_at, self._asked_at.get(execution_id, asked_at))

    def hold(self, execution_id: str, at_least: timedelta) -> bool:
        """Whether a lease was asked for so recently that one of this length can't have expired."""
        asked_at = self._asked_at.get(execution_id)
        return asked_at is not None and seconds_since_boot() - asked_at < at_least.total_seconds()
