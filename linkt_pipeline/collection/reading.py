"""Read ids one by one, many side by side, and give a verdict about each."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

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
from linkt_pipeline.collection.lander import Lander
from linkt_pipeline.collection.verdicts import Failed, Missing, Rejected, Verdict
from linkt_pipeline.errors import LinktPipelineError

CONCURRENCY = 32
_FAILURES_TO_STOP = 20  # so many ids failing for good is an outage, not bad luck

# Failures that may concern one id alone: a firewall may block one address, or a permission be missing for one row. Such
# an id stays pending after all its retries, while the others go on.
_OF_ONE_ID = (ServerError, ReplyLostError, RefusedError, UnexpectedRedirectError)

Take = Callable[[Sequence[Verdict]], Awaitable[None]]


class _Body(NamedTuple):
    resource_id: str
    content: bytes
    asked_at: datetime
    is_second: bool


class Reader:
    """Reads ids of one resource, each by a separate request.

    Parsing many bodies in a row is cheaper than parsing each as it comes, because the processor keeps the code at hand.
    So a twentieth of a batch is parsed at a time. Each parsed body is dropped before the next one is parsed, because it
    takes five times the memory of its text.

    Args:
        client: the API.
        lander: names the resource that is read, and counts the requests.
        concurrency: requests in flight.
        take: receives the verdicts, those of a parcel at a time; default: the lander.
    """

    def __init__(self, client: LinktClient, lander: Lander, concurrency: int, take: Take | None = None) -> None:
        self._client, self._concurrency = client, concurrency
        self._resource, self._limits, self._done = lander.resource, lander.limits, lander.done
        self._take = take or lander.take
        self._left: deque[str] = deque()
        self._parcel: list[_Body] = []
        self._parcel_size = 0
        self._passing_on = asyncio.Lock()
        self._doubted: dict[str, Rejected] = {}  # may have been damaged on their way: they are read once more
        self._failed = 0

    async def read(self, ids: Iterable[str]) -> None:
        """Read the ids. On return, ``take`` has a verdict about each.

        Raises:
            NoRequestError: no more requests may be made. The answers to requests that had left before were taken.
            LinktApiError: the key is refused, or so many ids can't be read that it is an outage. What was read before
                was taken.
        """
        self._left.extend(ids)
        try:
            while self._left:  # a second time for bodies that can't be used
                await self._read_side_by_side()
                await self._pass_on()
        except LinktPipelineError:
            await self._pass_on()
            await self._take([Failed(each.resource_id, each.reason, each.asked_at) for each in self._doubted.values()])
            raise

    async def _read_side_by_side(self) -> None:
        stopped: NoRequestError | None = None

        async def read_on() -> None:
            nonlocal stopped
            while self._left and not stopped:
                try:
                    await self._read_one(self._left.popleft())
                except NoRequestError as error:  # what others have sent before it is paid for out of the same budget
                    stopped = error

        try:
            async with asyncio.TaskGroup() as side_by_side:
                in_time = side_by_side.create_task(self._pass_on_in_time())
                readers = [side_by_side.create_task(read_on()) for _ in range(min(self._concurrency, len(self._left)))]
                await asyncio.wait(readers)
                in_time.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        if stopped:
            raise stopped

    async def _read_one(self, resource_id: str) -> None:
        is_second = self._doubted.pop(resource_id, None) is not None
        verdict: Verdict
        asked_at = datetime.now(UTC)
        self._done.reads += 1
        try:
            content = await self._resource.read_body(self._client, resource_id)
        except NotFoundError:
            verdict = Missing(resource_id, asked_at)
        except MalformedBodyError as error:
            verdict = Rejected(resource_id, error.reason, error.payload, asked_at)
        except InvalidIdError as error:
            verdict = Rejected(resource_id, str(error), None, asked_at)
        except LinktPipelineError as error:
            is_of_one_id = isinstance(error, _OF_ONE_ID) and not isinstance(error, AuthenticationError)
            if not is_of_one_id and not is_second:
                raise
            await self._take([Failed(resource_id, str(error), asked_at)])
            self._failed += is_of_one_id
            if self._failed >= _FAILURES_TO_STOP and not is_second:
                raise
            return
        else:
            self._parcel.append(_Body(resource_id, content, asked_at, is_second))
            self._parcel_size += len(content)
            if self._is_full:
                await self._pass_on(only_full=True)
            return
        await self._take([verdict])

    @property
    def _is_full(self) -> bool:
        return len(self._parcel) * 20 >= self._limits.rows or self._parcel_size * 4 >= self._limits.size

    async def _pass_on_in_time(self) -> None:
        while True:
            await asyncio.sleep(self._limits.age.total_seconds() / 10)
            await self._pass_on()

    async def _pass_on(self, *, only_full: bool = False) -> None:
        """Parse what was read and hand the verdicts on. Readers wait here until the verdicts are taken."""
        async with self._passing_on:
            if only_full and not self._is_full:  # another reader has done it
                return
            bodies, self._parcel, self._parcel_size = self._parcel, [], 0
            await self._take(list(self._verdicts(bodies)))

    def _verdicts(self, bodies: Iterable[_Body]) -> Iterator[Verdict]:
        for body in bodies:
            verdict = self._resource.parse(body.resource_id, body.content, body.asked_at)
            if isinstance(verdict, Rejected) and not body.is_second:
                self._doubted[body.resource_id] = verdict
                self._left.append(body.resource_id)
            else:
                yield verdict
