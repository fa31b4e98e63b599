"""Servers that refuse, and readers that ask as fast as the limiter lets them; all of it in virtual time."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from linkt_pipeline.api import Throttle
from tests.api.virtual_time import run_in_virtual_time

WINDOW = 60.0


class Server(Protocol):
    """Decides about one request at a time."""

    def admit(self, now: float) -> float:
        """0 if the request passes, else the seconds until one might."""


@dataclass
class Unlimited:
    """Refuses a share of the requests for no reason, as gateways do."""

    stray: float = 0.0
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    def admit(self, now: float) -> float:
        return float(self.dice.random() < self.stray)


@dataclass
class FixedWindow:
    """Counts anew whenever a minute of its own clock begins."""

    limit: int
    phase: float = 0.37 * WINDOW
    used: Counter[int] = field(default_factory=Counter)

    def admit(self, now: float) -> float:
        number, since = divmod(now + self.phase, WINDOW)
        if self.used[int(number)] >= self.limit:
            return WINDOW - since
        self.used[int(number)] += 1
        return 0.0


@dataclass
class SlidingWindow:
    """Remembers each request for a minute."""

    limit: int
    log: deque[float] = field(default_factory=deque)

    def admit(self, now: float) -> float:
        while self.log and self.log[0] <= now - WINDOW:
            self.log.popleft()
        if len(self.log) >= self.limit:
            return self.log[0] + WINDOW - now
        self.log.append(now)
        return 0.0


@dataclass
class Dense:
    """A limit per second beside the one per minute."""

    per_second: int
    behind: Server
    used: Counter[int] = field(default_factory=Counter)

    def admit(self, now: float) -> float:
        if self.used[int(now)] >= self.per_second:
            return 1.0
        wait = self.behind.admit(now)
        self.used[int(now)] += wait == 0
        return wait


@dataclass(frozen=True)
class Traffic:
    """What the server saw.

    Attributes:
        passed: requests by minute.
        refused: the same.
        seconds: until the last answer.
    """

    passed: Counter[int]
    refused: Counter[int]
    seconds: float

    @property
    def per_second(self) -> float:
        return self.passed.total() / self.seconds

    def rates(self, limit: int, minutes: Sequence[int]) -> list[float]:
        """Share of the limit that passed, by minute."""
        return [self.passed[minute] / limit for minute in minutes]


def drive(
    server: Server,
    *,
    minutes: float = 1e9,
    requests: int = 10**9,
    retry_after: float | str | None = None,
    declared: int | None = None,
    announces: bool = False,
    neighbour: tuple[float, float, float] | None = None,
    changes: Sequence[tuple[float, int]] = (),
    readers: int = 32,
    latency: float = 0.03,
) -> Traffic:
    """Let 32 readers ask for as much as they can.

    Args:
        server: refuses.
        minutes: when the readers stop.
        requests: or after how many answers they do.
        retry_after: seconds the server asks for with each 429; ``"reset"``: what is really left.
        declared: the limit as the settings have it.
        announces: the server tells its limit in headers.
        neighbour: from minute, to minute, requests a minute of somebody else.
        changes: of the server's limit, by minute.
        readers: so many at the same time.
        latency: of a round trip, in seconds.
    """
    passed: Counter[int] = Counter()
    refused: Counter[int] = Counter()

    async def read(throttle: Throttle, clock: asyncio.AbstractEventLoop) -> None:
        while clock.time() < minutes * WINDOW and passed.total() < requests:
            started = await throttle.acquire()
            await asyncio.sleep(latency / 2)
            wait = server.admit(clock.time())
            (refused if wait else passed)[int(clock.time() // WINDOW)] += 1
            await asyncio.sleep(latency / 2)
            asked = wait if retry_after == "reset" else retry_after
            after = timedelta(seconds=float(asked)) if wait and asked is not None else None
            headers = {"x-ratelimit-limit": str(getattr(server, "limit", ""))} if announces else {}
            throttle.observe(started, 429 if wait else 200, headers, after)

    async def ask_too(start: float, end: float, rate: float) -> None:
        clock = asyncio.get_running_loop()
        await asyncio.sleep(start * WINDOW)
        while clock.time() < end * WINDOW:
            server.admit(clock.time())
            await asyncio.sleep(WINDOW / rate)

    async def change(at: float, limit: int) -> None:
        await asyncio.sleep(at * WINDOW)
        server.limit = limit  # type: ignore[attr-defined]

    async def everybody() -> float:
        clock = asyncio.get_running_loop()
        throttle = Throttle(declared, clock=clock.time)
        others = [ask_too(*neighbour)] if neighbour else []
        await asyncio.gather(
            *(read(throttle, clock) for _ in range(readers)), *others, *(change(*each) for each in changes)
        )
        return clock.time()

    return Traffic(passed, refused, run_in_virtual_time(everybody()))
