"""Which leases this process certainly holds, by a clock that nobody sets.

The ledger says until when a lease lasts by the ledger's clock, which may be another machine's. So a process never
compares its clock with that moment. It knows when it *asked* for the lease: the ledger granted it then or later, so it
lasts at least its length from there on.
"""

from collections.abc import Iterable
from datetime import timedelta

from linkt_pipeline.clock import seconds_since_boot


class HeldLeases:
    """The leases of one worker, as the ledger confirmed them last."""

    def __init__(self) -> None:
        self._asked_at: dict[str, float] = {}

    def confirm(self, execution_ids: Iterable[str], asked_at: float) -> None:
        """The ledger has granted or extended leases.

        Args:
            execution_ids: whose.
            asked_at: by :func:`~linkt_pipeline.clock.seconds_since_boot`, right before the ledger was asked.
        """
        for execution_id in execution_ids:
            self._asked_at[execution_id] = max(asked_at, self._asked_at.get(execution_id, asked_at))

    def hold(self, execution_id: str, at_least: timedelta) -> bool:
        """Whether a lease was asked for so recently that one of this length can't have expired."""
        asked_at = self._asked_at.get(execution_id)
        return asked_at is not None and seconds_since_boot() - asked_at < at_least.total_seconds()
