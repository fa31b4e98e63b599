"""Leases: who may act for an execution, and until when."""

from datetime import datetime
from typing import Protocol

from linkt_pipeline.ledger.lease_owner import Owner, owner_is_gone
from linkt_pipeline.ledger.rows import Changes, LedgerRows, RowLock, Which
from linkt_pipeline.ledger.values import Execution, LeaseLostError


class Leased(Protocol):
    """A row that one process at a time may act for."""

    @property
    def lease_owner(self) -> str | None:
        """Who may."""

    @property
    def lease_until(self) -> datetime | None:
        """Until when, unless the lease is renewed."""


def is_free(row: Leased, now: datetime) -> bool:
    """Whether nobody holds a live lease on a row."""
    expired = row.lease_until is None or row.lease_until <= now
    return row.lease_owner is None or expired or owner_is_gone(row.lease_owner)


def hold_run(rows: LedgerRows, run_id: str) -> None:
    """Nobody else writes this run into a row until the transaction ends: one run is one row."""
    rows.hold(f"run {run_id.lower()}")


def keep_lease(rows: LedgerRows, execution_id: str, owner: Owner) -> None:
    """Before something is landed for an execution: its owner has its lease, and nobody takes it over meanwhile.

    Raises:
        LeaseLostError: another process took the execution over.
    """
    if not any(
        row.lease_owner == owner.name for row in rows.executions(Which(execution_ids=[execution_id]), lock=RowLock.KEEP)
    ):
        raise _lost(execution_id)


def change_as_owner(rows: LedgerRows, execution_id: str, owner: Owner, changes: Changes) -> Execution:
    """Change an execution whose lease the owner holds. Returns it as it is then.

    Raises:
        LeaseLostError: another process took the execution over; the transaction must not be committed.
    """
    if not rows.change(execution_id, changes, owner=owner):
        raise _lost(execution_id)
    return rows.get(execution_id)


def _lost(execution_id: str) -> LeaseLostError:
    return LeaseLostError(
        f"execution {execution_id} was taken over by another process while this one was busy or asleep; "
        "that process waits for the run and lands it, nothing was started twice"
    )
