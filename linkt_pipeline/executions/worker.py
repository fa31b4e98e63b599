"""One process's share of the work: its client, its ledger, and the leases that let it act."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from linkt_pipeline.api import LinktClient
from linkt_pipeline.clock import seconds_since_boot
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.events import Event, Note, Report
from linkt_pipeline.executions.held_leases import HeldLeases
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.ledger import Ledger
from linkt_pipeline.ledger.values import Claim, Execution, Intention, LeaseLostError
from linkt_pipeline.tasks import CommonSettings
from linkt_pipeline.warehouse.errors import WarehouseBusyError
from linkt_pipeline.warehouse.warehouse import Warehouse

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_PAUSE = timedelta(minutes=1)  # between two attempts at the same thing


@dataclass(frozen=True)
class Timing:
    """The protocol's patience, in one place so that tests can compress it.

    Attributes:
        settle: how long after a lost reply the run list is asked again before the run counts as never started.
        clock_skew: how far the API's clock may be from ours.
        follow: interval between two looks at a ledger row that another process works on.
        unreachable: how long to try a start while no connection to Linkt can be made. It is short, so that a typo in
            the address does not look like a long wait. An API that answers "later" gets the task's ``max_wait``.
        resend: first pause before a request that did not reach Linkt is sent again; doubles up to a minute.
        gone: how long a run may answer 404 (a young run on a lagging replica) before it counts as deleted.
    """

    settle: timedelta = timedelta(seconds=60)
    clock_skew: timedelta = timedelta(minutes=10)
    follow: timedelta = timedelta(seconds=3)
    unreachable: timedelta = timedelta(seconds=20)
    resend: timedelta = timedelta(seconds=1)
    gone: timedelta = timedelta(seconds=60)


def _ignore(event: Event) -> None:
    del event


@dataclass
class Worker:
    """What every step of the protocol needs. Use :meth:`holding_leases` around any use of the ledger.

    Attributes:
        asker: the command or Dagster run that gets the outcomes; default: this worker.
        not_before: see :class:`~linkt_pipeline.ledger.values.Intention`.
        question: see there.
        same_question: see there.
        entries: the names in tasks.yaml; see there.
        common: what tasks.yaml says of all tasks together.
        over_budget_by: see :class:`~linkt_pipeline.ledger.values.Intention`.
        before_start: called after an execution was claimed and before its request is sent. While it works, no other
            process can start the task. If it raises, nothing is started, and its error says why.
        leases: the leases that the ledger has confirmed.
    """

    client: LinktClient
    warehouse: Warehouse
    ledger: Ledger
    report: Report = _ignore
    timing: Timing = field(default_factory=Timing)
    owner: Owner = field(default_factory=Owner.this_process)
    dagster_run_id: str | None = None
    asker: str | None = None
    not_before: datetime | None = None
    question: str | None = None
    same_question: frozenset[str] = frozenset()
    entries: frozenset[str] | None = None
    common: CommonSettings = field(default_factory=CommonSettings)
    over_budget_by: str | None = None
    before_start: Callable[[Execution], Awaitable[None]] | None = None
    leases: HeldLeases = field(default_factory=HeldLeases)

    @property
    def asked_by(self) -> str:
        """Who gets the outcomes."""
        return self.asker or self.owner.name

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that blocks on the warehouse without stopping the other waits."""
        return await asyncio.to_thread(function, *args, **kwargs)

    async def call_when_free(self, task_key: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As :meth:`call`, repeated while another process holds the warehouse: a wait must outlast that."""
        reported = False
        while True:
            try:
                return await self.call(function, *args, **kwargs)
            except WarehouseBusyError as error:
                if not reported:
                    self.warn(task_key, f"the warehouse is busy, still waiting: {error}")
                reported = True
                await asyncio.sleep(self.timing.follow.total_seconds())

    def note(self, task_key: str, message: str) -> None:
        """Report a line about a task."""
        self.report(Note(task_key, message))

    def warn(self, task_key: str, message: str) -> None:
        """Report a line about a task that a person should look at."""
        self.report(Note(task_key, message, warning=True))

    async def claim(self, intention: Intention) -> Claim:
        """See :meth:`~linkt_pipeline.ledger.ledger.Ledger.claim`."""
        claim = await self.call(self.ledger.claim, intention, self.owner)
        if claim.owned:
            self.leases.confirm([claim.execution.execution_id], claim.asked_at)
        return claim

    def require_lease(self, execution: Execution) -> None:
        """Called right before a request that costs money leaves.

        Raises:
            LeaseLostError: the claim and the last renewal are so old (a suspended process, a ledger that can't be
                reached) that another process may have taken over; or the renewal showed that one has.
        """
        if not self.leases.hold(execution.execution_id, self.ledger.lease * 2 / 3):
            raise LeaseLostError(
                f"task {execution.task_key}: this process slept longer than its lease, so it starts nothing (or its "
                "ledger could not be reached for so long); materialize again to go on"
            )

    @asynccontextmanager
    async def holding_leases(self, *, delivers: bool = True) -> AsyncIterator[None]:
        """Renew this worker's leases while inside, give them up on the way out.

        An interrupt skips the giving up: the handler for it still needs the leases.

        Args:
            delivers: leaving without an exception means that the outcomes are delivered to the asker.
        """
        keeper = asyncio.create_task(self._keep_leases())
        try:
            yield
        except Exception:
            await self.release_leases()
            raise
        else:
            await self.release_leases()
            if delivers:
                await self.deliver()
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper

    async def release_leases(self) -> None:
        """Give every lease up. If that fails, leases expire by themselves, so no error here hides an earlier one."""
        try:
            await self.call(self.ledger.release, self.owner)
        except LinktPipelineError as error:
            self.warn("ledger", f"leases could not be given up and expire within {self.ledger.lease}: {error}")

    async def deliver(self, execution_ids: Collection[str] | None = None) -> None:
        """The asker has its outcomes. If that can't be written down, the next start gets them once more.

        Args:
            execution_ids: only the outcomes of these executions; default: all that were asked for.
        """
        try:
            await self.call(self.ledger.deliver, self.asked_by, execution_ids)
        except LinktPipelineError as error:
            self.warn("ledger", f"an outcome is not noted as delivered, so the next start gets it again: {error}")

    async def _keep_leases(self) -> None:
        # In a thread of its own: behind the calls of a thousand tasks that start at once, it would come too late.
        thread = ThreadPoolExecutor(1, thread_name_prefix="leases")
        try:
            await self._renew_regularly(thread)
        finally:
            thread.shutdown(wait=False)  # a renewal that waits for PostgreSQL must not stop the event loop

    async def _renew_regularly(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.ledger.lease.total_seconds() / 3)
            asked_at = seconds_since_boot()
            try:
                renewed = await loop.run_in_executor(thread, self.ledger.renew, self.owner)
            except Exception as error:  # whatever it is, the next renewal may succeed
                self.warn("ledger", f"leases could not be renewed yet: {error}")
            else:
                self.leases.confirm(renewed, asked_at)
