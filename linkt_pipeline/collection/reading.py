"""Read entities or signals and land them, reading and landing side by side.

Bodies are parsed many in a row as they come, and their rows gathered into batches; a batch is merged in one
transaction on a thread, while the next one is on the wire. What is landed stays landed when a later request fails.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from linkt_pipeline.access.errors import NoRequestError
from linkt_pipeline.api import (
    AuthenticationError,
    InvalidIdError,
    LinktClient,
    MalformedBodyError,
    NotFoundError,
    RefusedError,
    ReplyLostError,
    ServerError,
    UnexpectedRedirectError,
)
from linkt_pipeline.collection.lander import Batch, Reader, Rejected
from linkt_pipeline.collection.organization import Organization
from linkt_pipeline.collection.switch_interval import quick_turns
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.file import Warehouse
from linkt_pipeline.warehouse.landing import LandingCounts, note_pending
from linkt_pipeline.warehouse.state import note_change

T = TypeVar("T")

CONCURRENCY = 32
# A batch is landed when it is so large (its memory is bounded), and so often: on a plan of 60 requests a minute two
# thousand rows take half an hour, and a process that is killed then would have to ask for them again. Not much younger,
# because even a handful of rows takes half a megabyte of the file until row groups are merged.
_BATCH_ROWS = 2_000
_BATCH_BYTES = 32 * 2**20
_BATCH_AGE = timedelta(minutes=1)
# Parsing many bodies in a row is cheaper than each as it comes: the processor keeps the code for it at hand. Each is
# gone before the next, because a parsed body takes five times the memory of its text.
_PARSED_IN_A_ROW = 100
_PARSED_BYTES = 8 * 2**20
_FAILURES_TO_STOP = 20  # so many ids failing for good is an outage, not bad luck


@dataclass
class Fetched:
    """What one fetch did, for metadata and the progress bar.

    Attributes:
        pending: distinct ids to settle when it began.
        landed, missing, rejected: how they were settled.
        inserted, updated, unchanged, versions: what landing them changed.
        deleted, restored: entities found to be gone from Linkt, and those that are there again.
        pages, reads: requests spent on list pages and on single reads.
        failures: ids that could not be read for now, with the reason; they stay pending.
    """

    pending: int = 0
    landed: int = 0
    missing: int = 0
    rejected: int = 0
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
        return self.landed + self.missing + self.rejected

    def add(self, counts: LandingCounts) -> None:
        """Take the counts of one landed batch in."""
        self.inserted += counts.inserted
        self.updated += counts.updated
        self.unchanged += counts.unchanged
        self.versions += counts.versions
        self.deleted += counts.deleted
        self.restored += counts.restored


Progress = Callable[[Fetched], None]


class Reading:
    """What reads and lands have in common, whatever chooses the ids; of one event loop.

    Args:
        client: the API.
        warehouse: receives the rows.
        reader: what is read.
        progress: called after every landed batch.
        concurrency: single reads in flight.
    """

    def __init__(
        self, client: LinktClient, warehouse: Warehouse, reader: Reader, progress: Progress, concurrency: int
    ) -> None:
        self.client, self.warehouse, self.reader, self.progress = client, warehouse, reader, progress
        self.concurrency = concurrency
        self.organization = Organization(client, warehouse)
        self.naming_run = ""
        self.done = Fetched()
        self.failed: dict[str, str] = {}
        self.gone = 0  # ids that answered 404 ...
        self.there = 0  # ... and those whose own read gave a row
        self.batch = Batch()
        self.queue: asyncio.Queue[Batch | None] = asyncio.Queue(maxsize=1)
        self.handing_over = asyncio.Lock()
        self.landing = False
        # One thread for all batches: the memory that several threads keep for themselves is several times as much.
        self.thread = ThreadPoolExecutor(1, "landing")

    async def run(self) -> None:
        """Do all of it."""
        with self.thread, quick_turns():
            await self._run()

    async def _run(self) -> None:
        raise NotImplementedError

    async def _on_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.thread, work, *arguments)

    async def _land_beside(self, reading: Coroutine[Any, Any, None]) -> None:
        """Land what is read while more is read; at the end, all of it is landed, also where reading has failed."""
        failure: LinktPipelineError | None = None
        self.batch = Batch()
        try:
            async with asyncio.TaskGroup() as side_by_side:
                side_by_side.create_task(self._land_batches())
                timer = side_by_side.create_task(self._hand_over_regularly())
                try:
                    await reading
                except LinktPipelineError as error:
                    failure = error
                timer.cancel()
                await asyncio.wait([timer])  # it gives back what it was handing over
                while len(self.batch):  # what is looked at a second time comes after
                    await self._hand_over()
                await self.queue.put(None)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        if failure:
            await self._on_thread(self._note_failed)
            raise failure

    def _note_failed(self) -> None:
        if self.failed:
            with self.warehouse.write(news=False) as con:
                if note_pending(con, self.reader.resource, self.failed):
                    note_change(con)

    async def _read_each(self, ids: Sequence[str]) -> None:
        remaining = iter(ids)
        stopped: NoRequestError | None = None

        async def read_on() -> None:
            nonlocal stopped
            for resource_id in remaining:
                try:
                    await self._read_one(resource_id)
                except NoRequestError as error:  # what others have sent before it is paid for out of the same budget
                    stopped = error
                if stopped:
                    return
                await self._hand_over_if_full()

        try:
            async with asyncio.TaskGroup() as readers:
                for _ in range(min(self.concurrency, len(ids))):
                    readers.create_task(read_on())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        if stopped:
            raise stopped

    async def _read_one(self, resource_id: str) -> None:
        body = await self._read_body(resource_id)
        if body is not None:
            self.batch.add_body(resource_id, body)
            if len(self.batch.bodies) >= _PARSED_IN_A_ROW or self.batch.unparsed >= _PARSED_BYTES:
                await self._parse_bodies(self.batch)

    async def _read_body(self, resource_id: str) -> bytes | None:
        """The body of an id; None where there is none to be had, which is then written down."""
        self.done.reads += 1
        sent_at = datetime.now(UTC)
        try:
            return await self.reader.read_body(self.client, resource_id)
        except NotFoundError:
            self.batch.missing.append(resource_id)
            self.gone += 1
        except MalformedBodyError as error:
            self._reject(Rejected(resource_id, error.reason, error.payload))
        except InvalidIdError as error:
            self._reject(Rejected(resource_id, str(error), None))
        except AuthenticationError:
            raise
        except (ServerError, ReplyLostError, RefusedError, UnexpectedRedirectError) as error:
            self.failed[resource_id] = str(error)
            if len(self.failed) >= _FAILURES_TO_STOP:
                raise
            # This id alone (a firewall may block one address, a permission be missing for one row), after all its
            # retries; it stays pending while the others go on.
            self.done.failures.append(f"{resource_id}: {error}")
        finally:  # a verdict, whichever, is as old as its request
            self.batch.read_since = min(self.batch.read_since, sent_at)
        return None

    def _reject(self, rejected: Rejected) -> None:
        self.batch.rejected.append(rejected)

    async def _parse_bodies(self, batch: Batch) -> None:
        bodies = batch.pop_bodies()
        doubtful: list[str] = []
        for resource_id, body in bodies:
            parsed = self.reader.parse(resource_id, body)
            if isinstance(parsed, Rejected):
                doubtful.append(resource_id)
            else:
                batch.rows.append(parsed)
                self.there += 1
        for resource_id in doubtful:
            await self._read_again(resource_id)

    async def _read_again(self, resource_id: str) -> None:
        """A body that can't be used may have been damaged on its way: once more, then it is kept as a reject."""
        try:
            body = await self._read_body(resource_id)
        except LinktPipelineError as error:  # no verdict about this id, and none about what came with it
            self.done.failures.append(f"{resource_id}: {error}")
            return
        if body is not None:
            parsed = self.reader.parse(resource_id, body)
            if isinstance(parsed, Rejected):
                self._reject(parsed)
            else:
                self.batch.rows.append(parsed)
                self.there += 1

    async def _hand_over_if_full(self) -> None:
        if len(self.batch) >= _BATCH_ROWS or self.batch.size >= _BATCH_BYTES:
            await self._hand_over()
        elif self.handing_over.locked():  # two batches wait to be landed: no more is read until one is
            async with self.handing_over:
                pass

    async def _hand_over_regularly(self) -> None:
        while True:
            await asyncio.sleep(_BATCH_AGE.total_seconds())
            if len(self.batch) and not self.landing:
                await self._hand_over()

    async def _hand_over(self) -> None:
        async with self.handing_over:
            batch, self.batch = self.batch, Batch()
            try:
                await self._parse_bodies(batch)
                await self.queue.put(batch)
            except asyncio.CancelledError:  # another request has failed for good; what was read is landed all the same
                self.batch.take_in(batch)
                raise

    async def _land_batches(self) -> None:
        while (batch := await self.queue.get()) is not None:
            self.landing = True
            await self._land(batch)
            del batch  # or it stays in memory until the next one is landed
            self.landing = False

    async def _land(self, batch: Batch) -> None:
        if batch.rows:
            self.organization.confirm()
        if batch.missing:
            await self.organization.require(self.naming_run)
        counts = await self._on_thread(self.reader.land, self.warehouse, batch)
        self.done.add(counts)
        self.done.landed += len(batch.rows) - counts.rejected
        self.done.missing += len(batch.missing)
        self.done.rejected += len(batch.rejected) + counts.rejected
        self.progress(self.done)
