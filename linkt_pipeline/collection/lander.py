"""Land what is read in batches, while the next one is on the wire."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from linkt_pipeline.collection.organization import Organization
from linkt_pipeline.collection.resources import Resource
from linkt_pipeline.collection.switch_interval import short_switch_interval
from linkt_pipeline.collection.verdicts import Batch, Verdict
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.landing import LandingCounts
from linkt_pipeline.warehouse.warehouse import Warehouse

T = TypeVar("T")


@dataclass
class Fetched:
    """What one fetch did, for metadata and the progress bar.

    Attributes:
        pending: distinct ids to settle when it began.
        landed, missing, rejected, erased: how they were settled; erased ones are what was erased here before.
        inserted, updated, unchanged, versions: what landing them changed.
        deleted, restored: entities found to be gone from Linkt, and those that are there again.
        pages, reads: requests spent on list pages and on single reads.
        failures: ids that could not be read for now, with the reason; they stay pending.
    """

    pending: int = 0
    landed: int = 0
    missing: int = 0
    rejected: int = 0
    erased: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    versions: int = 0
    deleted: int = 0
    restored: int = 0
    pages: int = 0
    reads: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def settled(self) -> int:
        """Ids that are pending no more."""
        return self.landed + self.missing + self.rejected + self.erased

    @property
    def text(self) -> str:
        """One line for a log."""
        return f"{self.settled} of {self.pending} settled ({self.how_settled})"

    @property
    def how_settled(self) -> str:
        """What became of the ids."""
        exceptions = {"missing": self.missing, "rejected": self.rejected, "erased": self.erased}
        exceptions["failed for now"] = len(self.failures)
        return ", ".join([f"{self.landed} landed", *(f"{count} {name}" for name, count in exceptions.items() if count)])

    def add(self, batch: Batch, counts: LandingCounts) -> None:
        """Take a landed batch in."""
        self.landed += len(batch.rows) - counts.rejected - counts.erased
        self.missing += len(batch.missing)
        self.rejected += len(batch.rejected) + counts.rejected
        self.erased += counts.erased
        self.inserted += counts.inserted
        self.updated += counts.updated
        self.unchanged += counts.unchanged
        self.versions += counts.versions
        self.deleted += counts.deleted
        self.restored += counts.restored
        self.failures += [f"{resource_id}: {reason}" for resource_id, reason in batch.failed.items()]


Progress = Callable[[Fetched], None]


@dataclass(frozen=True)
class Limits:
    """How much a fetch holds in memory.

    A batch is landed once it is large enough or old enough. On a plan of 60 requests a minute, two thousand rows take
    half an hour, and a process that is killed then has to ask for them again: so age counts too. But small batches are
    dear: even a handful of rows takes half a megabyte of the file until row groups are merged.

    Attributes:
        pending: ids read from the warehouse at once.
        rows: verdicts of a batch.
        size: bytes of the bodies of a batch.
        age: how long a batch is gathered.
    """

    pending: int = 50_000
    rows: int = 2_000
    size: int = 32 * 2**20
    age: timedelta = timedelta(minutes=1)


DEFAULT_LIMITS = Limits()


class Lander:
    """Takes verdicts, gathers them into batches, and merges each batch in one transaction, on a separate thread.

    :func:`landing` gives one. At most two batches are in memory: one that is being landed, and one that is gathered.

    Attributes:
        resource: what is landed.
        limits: how large a batch is.
        done: what was done so far.
        witness: a run that names the ids that are read. Before a 404 counts, the key must show this run, or another
            known one.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        resource: Resource,
        organization: Organization,
        *,
        limits: Limits,
        progress: Progress,
    ) -> None:
        self.resource, self.limits = resource, limits
        self.done = Fetched()
        self.witness = ""
        self._warehouse, self._organization, self._progress = warehouse, organization, progress
        self._batch = Batch()
        self._due = asyncio.Event()
        self._room = asyncio.Event()
        self._flushed: asyncio.Future[None] | None = None
        self._at_work: asyncio.Task[None]
        # One thread for all batches: the memory that several threads keep for themselves is several times as much.
        self._thread = ThreadPoolExecutor(1, "landing")

    async def on_thread(self, work: Callable[..., T], *arguments: object) -> T:
        """The result of other work with the warehouse, on the thread that lands."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def add(self, verdict: Verdict) -> None:
        """Take one verdict without waiting for room."""
        self._batch.add(verdict)

    async def take(self, verdicts: Sequence[Verdict]) -> None:
        """Take verdicts. If the batch is full then, wait until the batch before it is landed."""
        for verdict in verdicts:
            self._batch.add(verdict)
        # The reader waits here, so that memory holds two batches at most, however slow the disk is.
        if len(self._batch) >= self.limits.rows or self._batch.size >= self.limits.size:
            self._room.clear()
            self._due.set()
            await self._room.wait()

    async def flush(self) -> None:
        """Wait until everything that was taken is landed."""
        self._flushed = flushed = asyncio.get_running_loop().create_future()
        self._due.set()
        await asyncio.wait([flushed, self._at_work], return_when=asyncio.FIRST_COMPLETED)
        if self._at_work.done():
            self._at_work.result()

    async def _land_batches(self) -> None:
        try:
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._due.wait(), self.limits.age.total_seconds())
                self._due.clear()
                flushed, self._flushed = self._flushed, None
                batch, self._batch = self._batch, Batch()
                self._room.set()
                if len(batch):
                    await self._land(batch)
                del batch  # or it stays in memory until the next one is landed
                if flushed and not flushed.done():
                    flushed.set_result(None)
        finally:
            self._room.set()

    async def _land(self, batch: Batch) -> None:
        # A row that was read proves that the key is right; before a 404 counts, the key must prove it.
        if batch.rows:
            self._organization.confirm()
        if batch.missing:
            await self._organization.require(self.witness)
        counts = await self.on_thread(self.resource.land, self._warehouse, batch)
        self.done.add(batch, counts)
        self._progress(self.done)


@asynccontextmanager
async def landing(
    warehouse: Warehouse,
    resource: Resource,
    organization: Organization,
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = lambda _: None,
) -> AsyncIterator[Lander]:
    """A lander at work. Leaving the context lands everything that was taken, even if reading has failed.

    Args:
        warehouse: receives the rows.
        resource: what is landed.
        organization: asked before a 404 counts.
        limits: how much is held in memory.
        progress: called after every landed batch.

    Raises:
        LinktPipelineError: a batch can't be landed. Reading is cancelled then.
    """
    lander = Lander(warehouse, resource, organization, limits=limits, progress=progress)
    failure: LinktPipelineError | None = None
    try:
        with lander._thread, short_switch_interval():
            async with asyncio.TaskGroup() as side_by_side:
                lander._at_work = side_by_side.create_task(lander._land_batches())
                try:
                    yield lander
                except LinktPipelineError as error:
                    failure = error
                await lander.flush()
                lander._at_work.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    if failure:
        raise failure
