"""The ledger: one row of ``linkt.executions`` per attempt to start a Linkt run.

Why it exists: the API has no idempotency key, so the only protection against paying twice is to write the
intention down before the request and the run id right after it. A row is *open* from the intention until
its run is terminal (or is known never to have started); while one is open, nobody starts a second run for
the same task.

A row is *owned* through a lease. Its owner alone may send the request, wait, and land the run. The lease is
renewed while the owner lives and can be taken over once it expires or its process is gone, so that a killed
worker leaves neither an orphan nor a deadlock. The outcome of a finished row is owed until the caller who asked for it
has all of it (see owed_outcomes.py): the next claim of its task gets the outcome and buys nothing.

The modules of this room hold the rules; a :class:`~linkt_pipeline.ledger.store.LedgerStore` keeps the rows. Each call
here is one transaction of the store. A caller who has more to write in the same transaction uses :meth:`Ledger.write`,
or :meth:`Ledger.land` for rows of the warehouse.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from linkt_pipeline.ledger import by_hand, claims
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.leases import change_as_owner, hold_run, is_free
from linkt_pipeline.ledger.owed_outcomes import complete_outcomes
from linkt_pipeline.ledger.rows import Changes, LedgerRows, Which
from linkt_pipeline.ledger.store import LedgerStore
from linkt_pipeline.ledger.values import OPEN_STATES, Claim, Execution, ExecutionState, Intention, RunTakenError
from linkt_pipeline.warehouse.outbox import tell_unclear_start
from linkt_pipeline.warehouse.tombstones import Mentions

LEASE = timedelta(seconds=60)
_WITHOUT_REPLY = (ExecutionState.INTENDED, ExecutionState.UNKNOWN, ExecutionState.LOST)


class Ledger:
    """The ledger of a deployment. Every call is durable when it returns."""

    def __init__(self, store: LedgerStore, *, lease: timedelta = LEASE) -> None:
        self._store = store
        self.lease = lease

    def read(self) -> AbstractContextManager[LedgerRows]:
        """See :meth:`~linkt_pipeline.ledger.store.LedgerStore.read`."""
        return self._store.read()

    def write(self, *, news: bool = True) -> AbstractContextManager[LedgerRows]:
        """See :meth:`~linkt_pipeline.ledger.store.LedgerStore.write`."""
        return self._store.write(news=news)

    def land(self, *, news: bool = True) -> AbstractContextManager[LedgerRows]:
        """See :meth:`~linkt_pipeline.ledger.store.LedgerStore.land`."""
        return self._store.land(news=news)

    def erase(self, mentions: Mentions) -> None:
        """See :meth:`~linkt_pipeline.ledger.store.LedgerStore.erase`."""
        self._store.erase(mentions)

    def require_erasable(self, mentions: Mentions) -> None:
        """See :meth:`~linkt_pipeline.ledger.store.LedgerStore.require_erasable`."""
        self._store.require_erasable(mentions)

    def mirror(self) -> None:
        """See :meth:`~linkt_pipeline.ledger.store.LedgerStore.mirror`."""
        self._store.mirror()

    def claim(self, intention: Intention, owner: Owner) -> Claim:
        """Take over the open execution of this task, or write down a new one; see :class:`Claim`.

        Raises:
            CreditLimitReachedError: nothing is open and a limit leaves less for this month than the run will cost.
            LedgerCheckFailedError: nothing is open and an error-level check of the ledger fails.
        """
        with self.write() as rows:
            return claims.claim(rows, intention, owner, self.lease)

    def now(self) -> datetime:
        """The present by the clock of the ledger, for moments that are compared with those of executions."""
        with self.read() as rows:
            return rows.now

    def clock_ahead(self) -> timedelta:
        """How far the clock of the ledger is ahead of this machine's."""
        with self.read() as rows:
            return rows.clock_ahead

    def get(self, execution_id: str) -> Execution:
        """One row as it is now."""
        with self.read() as rows:
            return rows.get(execution_id)

    def look(self, execution_id: str) -> tuple[Execution, bool]:
        """One row as it is now, and whether nobody holds a live lease on it."""
        with self.read() as rows:
            row = rows.get(execution_id)
            return row, is_free(row, rows.now)

    def mark_started(self, execution_id: str, owner: Owner, *, run_id: str, run_status: str | None) -> Execution:
        """A run exists: remember its id before anything else happens.

        Raises:
            RunTakenError: another row has this run. Decided in the transaction that would write the id.
        """
        with self.write() as rows:
            hold_run(rows, run_id)
            of_run = rows.executions(Which(run_ids=[run_id]))  # a reply and a list may spell one id in two ways
            if taken := [row for row in of_run if row.execution_id != execution_id]:
                raise RunTakenError(
                    f"run {run_id} belongs to execution {taken[0].execution_id} of task {taken[0].task_key} already"
                )
            changes: Changes = {
                "state": ExecutionState.STARTED,
                "run_id": run_id,
                "run_status": run_status,
                "started_at": rows.now,
            }
            return change_as_owner(rows, execution_id, owner, changes)

    def note_clock(self, execution_id: str, owner: Owner, offset: timedelta) -> Execution:
        """Remember how far Linkt's clock is ahead of the one that the row's times are from, to search for the run.

        Args:
            execution_id: the row.
            owner: who holds its lease.
            offset: how far Linkt's clock is ahead of this machine's.
        """
        with self.write() as rows:
            seconds = (offset - rows.clock_ahead).total_seconds()
            return change_as_owner(rows, execution_id, owner, {"clock_offset_seconds": seconds})

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
        """The start is unclear: its reply was lost, or it names no usable run (``confirmed``). Reconciliation decides.

        If the run that the row names turned out to belong to another execution, the row forgets it (``forget_run``). If
        reconciliation can't decide, a person must; the same transaction then writes an alert (``needs_person``).
        """
        changes: Changes = {"state": ExecutionState.UNKNOWN, "last_error": error}
        if confirmed:
            changes["start_confirmed"] = True
        if forget_run:
            changes |= {"run_id": None, "run_status": None, "started_at": None}
        with self.land() if needs_person else self.write() as rows:
            row = change_as_owner(rows, execution_id, owner, changes)
            if needs_person:
                tell_unclear_start(rows.con, row.execution_id, row.task_key, row.dagster_run_id)
            return row

    def mark_closed(self, execution_id: str, owner: Owner, state: ExecutionState, *, error: str) -> Execution:
        """``refused`` or ``lost``: no run exists for this row."""
        with self.write() as rows:
            changes: Changes = {"state": state, "last_error": error, "finished_at": rows.now}
            return change_as_owner(rows, execution_id, owner, changes)

    def note(self, execution_id: str, owner: Owner, *, run_status: str | None = None, error: str | None = None) -> None:
        """Keep the last status that was seen of a run on its row, for people who look at the ledger."""
        changes: Changes = {}
        if run_status is not None:
            changes["run_status"] = run_status
        if error is not None:
            changes["last_error"] = error
        if changes:
            with self.write() as rows:
                change_as_owner(rows, execution_id, owner, changes)

    def renew(self, owner: Owner) -> frozenset[str]:
        """Extend every lease of this owner; returns the open executions it still owns."""
        with self.write(news=False) as rows:
            return rows.renew(owner, rows.now + self.lease)

    def release(self, owner: Owner) -> None:
        """Give up every lease of this owner, so that the next process need not wait for them to expire.

        Each row keeps the last moment at which this owner can have sent a request. The process that takes an unclear
        row over searches for its run up to that moment.
        """
        with self.write(news=False) as rows:
            rows.release(owner)

    def owned_run_ids(self, task_id: str) -> frozenset[str]:
        """Runs of a Linkt task that some row of the ledger already stands for."""
        with self.read() as rows:
            return rows.run_ids(task_id)

    def open_executions(self, task_keys: Iterable[str] | None = None) -> Sequence[Execution]:
        """Every open row, oldest first."""
        with self.read() as rows:
            found = rows.executions(Which(states=OPEN_STATES))
        wanted = None if task_keys is None else set(task_keys)
        return [row for row in found if wanted is None or row.task_key in wanted]

    def rivals(self, execution: Execution, since: datetime) -> Sequence[Execution]:
        """Other starts of the same Linkt task since a moment that have no run: their reply is due or was lost."""
        which = Which(task_id=execution.task_id, states=_WITHOUT_REPLY, since=since, without_run=True)
        with self.read() as rows:
            return [row for row in rows.executions(which) if row.execution_id != execution.execution_id]

    def adopt(self, intention: Intention, run_id: str) -> Execution:
        """Decide by hand which run an execution stands for (``linkt-pipeline adopt``).

        The open row of the task takes the run; without an open row a new one is written, so that the run is
        waited for and landed as if the pipeline had started it.

        Raises:
            LinktPipelineError: a live process is working on the task, the open row has another run already,
                or the run belongs to another execution.
        """
        with self.write() as rows:
            return by_hand.adopt(rows, intention, run_id)

    def deny(self, intention: Intention) -> Execution:
        """Decide by hand that no run came of an unclear start (``linkt-pipeline adopt --none``).

        Raises:
            LinktPipelineError: a live process is working on the task, or it has no unclear start.
        """
        with self.write() as rows:
            return by_hand.deny(rows, intention)

    def give_up(self, run_id: str) -> Execution | None:
        """Close the open execution of a run that is kept as a reject (``linkt-pipeline cancel``).

        The next start of its task buys a new run.

        Returns:
            The row as it was. None, and nothing is closed, if the run is no reject, if it has no open execution, or if
            a process is waiting for it.
        """
        with self.write() as rows:
            return by_hand.give_up(rows, run_id)

    def ask_for(self, execution_id: str, asked_by: str) -> None:
        """From now on an owed outcome is delivered to another caller, who has just asked for it."""
        with self.write(news=False) as rows:
            rows.owe_to(execution_id, asked_by)

    def deliver(self, asked_by: str, execution_ids: Collection[str] | None = None) -> None:
        """A caller has the outcomes that it asked for: they are no longer owed, and the next start of the tasks buys.

        Args:
            asked_by: the caller.
            execution_ids: only the outcomes of these executions; default: all that the caller asked for.
        """
        with self.write(news=False) as rows:
            rows.owe_no_more_to(asked_by, execution_ids)

    def complete_outcomes(self) -> list[str]:
        """Executions whose outcome is owed and whose run has no id left to fetch: a snapshot taken now holds it all."""
        with self.read() as rows:
            return complete_outcomes(rows)

    def deliver_published(self, asked_by: str, execution_ids: Collection[str], published_at: datetime) -> None:
        """A snapshot with all rows of these executions is in place.

        Args:
            asked_by: the caller who published. Its own outcomes are delivered; those of others are only published.
            execution_ids: as :meth:`complete_outcomes` had them before the snapshot was taken.
            published_at: when it was published.
        """
        if not execution_ids:
            return
        with self.write(news=False) as rows:
            rows.owe_no_more_to(asked_by, execution_ids)
            rows.note_published(execution_ids, published_at)
