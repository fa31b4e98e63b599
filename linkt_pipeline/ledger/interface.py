"""What the paid protocol needs of a store of the ledger."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Protocol

from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.values import Claim, Execution, ExecutionState, Intention


class Ledger(Protocol):
    """What the paid protocol needs of a store. Every call is durable when it returns."""

    def claim(self, intention: Intention, owner: Owner) -> Claim:
        """Take over the open execution of this task, or write down a new one; see :class:`Claim`.

        Raises:
            CreditLimitReachedError: nothing is open and a limit leaves less for this month than the run will cost.
            BooksDisagreeError: nothing is open and an error-level check of the ledger fails.
        """

    def get(self, execution_id: str) -> Execution:
        """One row as it is now."""

    def mark_started(self, execution_id: str, owner: Owner, *, run_id: str, run_status: str | None) -> Execution:
        """A run exists: remember its id before anything else happens.

        Raises:
            RunTakenError: another row has this run. Decided in the transaction that would write the id.
        """

    def note_clock(self, execution_id: str, owner: Owner, offset: timedelta) -> Execution:
        """Remember how far Linkt's clock is ahead of this machine's, for whoever looks for the run."""

    def mark_unknown(
        self,
        execution_id: str,
        owner: Owner,
        *,
        error: str,
        confirmed: bool = False,
        forget_run: bool = False,
        needs_person: bool = False,
    ) -> Execution:
        """The reply was lost, or a success that names no usable run (``confirmed``): reconciliation decides.

        The row forgets the run that it names if that turned out to be another's. Where reconciliation can't decide, a
        person has to, and an alert says so in the same transaction (``needs_person``).
        """

    def mark_closed(self, execution_id: str, owner: Owner, state: ExecutionState, *, error: str) -> Execution:
        """``refused`` or ``lost``: no run exists for this row."""

    def note(self, execution_id: str, owner: Owner, *, run_status: str | None = None, error: str | None = None) -> None:
        """Show what was seen last on the row of a run that is being waited for."""

    def renew(self, owner: Owner) -> frozenset[str]:
        """Extend every lease of this owner; returns the open executions it still owns."""

    def release(self, owner: Owner) -> None:
        """Give up every lease of this owner, so that the next process need not wait for them to expire."""

    def is_free(self, row: Execution) -> bool:
        """Whether nobody holds a live lease on a row."""

    def owned_run_ids(self, task_id: str) -> frozenset[str]:
        """Runs of a Linkt task that some row of the ledger already stands for."""

    def open_executions(self, task_keys: Iterable[str] | None = None) -> Sequence[Execution]:
        """Every open row, oldest first."""
