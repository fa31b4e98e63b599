"""One limiter for every request of the process.

It starts from what the settings say, learns from what the server says (any header with ``ratelimit`` in its name,
429, Retry-After), and is built so that its own pace never provokes a 429: a request's place becomes free one window
after its *answer* came, whichever kind of window, fixed or sliding, the server counts in.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from math import ceil
from weakref import WeakKeyDictionary

from linkt_pipeline.api.errors import RateLimitedError
from linkt_pipeline.api.ratelimit_headers import read_limits

MINUTE = timedelta(minutes=1)
Budget = Callable[[], Awaitable[None]]

# The server counts a request somewhere between its start and its answer; this share of a window is the most that is
# given away for not knowing when.
_SLACK = 0.1
_MARGIN = 0.003
# Up to this share of a window may go out in one burst, so that small jobs don't crawl; the rest is paced evenly.
_BURST = 0.5
# A limit over a longer window is a day's budget: it is spent freely and then waited for, not paced.
_LONGEST_PACED_SECONDS = 600.0
# A 429 after fewer requests tells of somebody else's use of the window, not of the limit.
_FEWEST_TO_LEARN_FROM = 10
_CLEAN_WINDOWS_BEFORE_RAISE = 10


class Throttle:
    """Lets requests pass no faster than the plan allows; shared by all tasks, event loops and threads of a process.

    Args:
        requests_per_minute: the plan's limit if it is known beforehand; honoured from the first request.
        window: what the limit counts in; a minute by the vendor's documentation.
        budget: awaited before each request; may raise to refuse it (a daily budget kept elsewhere).
        on_limit: told about each pause the server orders.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        *,
        window: timedelta = MINUTE,
        budget: Budget | None = None,
        on_limit: Callable[[timedelta], None] | None = None,
    ) -> None:
        self._declared = requests_per_minute
        self._limit = requests_per_minute
        self._learned_at: float | None = None
        self._window = window.total_seconds()
        self._budget = budget
        self._on_limit = on_limit
        self._in_flight = 0
        self._frees: deque[float] = deque(maxlen=20_000)  # when each answered request leaves the window
        self._next_start = 0.0
        self._paused_since = self._paused_until = 0.0
        self._strikes = 0
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._guard = threading.Lock()

    @property
    def limit(self) -> int | None:
        """Requests per window in force, None while none is known."""
        return self._limit

    @property
    def paused_for(self) -> timedelta:
        """What is left of the pause the server ordered."""
        return timedelta(seconds=max(0.0, self._paused_until - time.monotonic()))

    async def acquire(self, *, patience: timedelta | None = None) -> float:
        """Wait for this request's turn. Each call must be followed by one :meth:`observe`.

        Args:
            patience: longest ordered pause to sit out (the ordinary queue does not count); None = however long.

        Returns:
            The time of the start, to be handed to :meth:`observe`.

        Raises:
            RateLimitedError: the pause outlasts the patience. Nothing was sent.
        """
        if self._budget is not None:
            await self._budget()
        if not self._claim_freely():
            # Only the first in line sleeps on the clock; the others wait for the line, in order.
            async with self._turn():
                while (delay := self._claim(patience)) > 0:  # noqa: ASYNC110 - the wait is known, nothing is polled
                    await asyncio.sleep(delay)
        return time.monotonic()

    def observe(
        self,
        started: float,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        """Learn from one answer, or from its absence.

        Args:
            started: what :meth:`acquire` returned.
            status: HTTP status, None when no answer came.
            headers: the answer's headers.
            retry_after: how long the server asks to wait.
        """
        now = time.monotonic()
        with self._guard:
            self._in_flight -= 1
            self._forget(now)
            if status != 429:
                self._frees.append(min(now, started + _SLACK * self._window) + (1 + _MARGIN) * self._window)
            for seen in read_limits(headers) if headers else ():
                paced = (seen.window or self._window) <= _LONGEST_PACED_SECONDS
                if seen.limit and paced and (seen.reset or 0) <= _LONGEST_PACED_SECONDS:
                    self._adopt(int(seen.limit), seen.window)
                if seen.remaining == 0 and seen.reset and not self._expects_none_left(paced):
                    self._pause(now, seen.reset)
            if status == 429:
                self._strike(now, started, retry_after)
            elif status is not None and started >= self._paused_since:
                self._strikes = 0
                self._raise_learned(now)
            elif self._learned_at == self._paused_since and self._limit:
                self._limit = max(self._limit, len(self._frees))  # answers that overlapped with the first 429

    def pause(self, duration: timedelta) -> None:
        """Let no request start for this long."""
        with self._guard:
            self._pause(time.monotonic(), duration.total_seconds())

    def _turn(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        with self._guard:
            return self._turns.setdefault(loop, asyncio.Lock())

    def _claim_freely(self) -> bool:
        with self._guard:
            if self._limit is not None or self._paused_until:
                return False
            self._in_flight += 1
            return True

    def _claim(self, patience: timedelta | None) -> float:
        """Take a place and return 0, or return the seconds after which to ask again."""
        with self._guard:
            now = time.monotonic()
            if (pause := self._paused_until - now) > 0:
                if patience is not None and pause > patience.total_seconds():
                    raise _paused(pause)
                return pause
            if self._limit is not None and (delay := self._delay(now, self._limit)) > 0:
                return delay
            self._in_flight += 1
            return 0.0

    def _delay(self, now: float, limit: int) -> float:
        self._forget(now)
        used = len(self._frees) + self._in_flight
        interval = self._window / limit
        if used >= limit:
            return max(self._frees[0] - now, 0.001) if self._frees else interval
        if used < limit * _BURST:
            self._next_start = now
            return 0.0
        if self._next_start > now:
            return self._next_start - now
        # A sleeper wakes late; up to five intervals of that are made up for.
        self._next_start = max(self._next_start, now - 5 * interval) + interval
        return 0.0

    def _forget(self, now: float) -> None:
        while self._frees and self._frees[0] <= now:
            self._frees.popleft()

    def _adopt(self, limit: int, window: float | None) -> None:
        self._limit = min(limit, self._declared) if self._declared else limit
        self._learned_at = None
        if window:
            self._window = window

    def _expects_none_left(self, paced: bool) -> bool:
        """At full pace the last place is always taken; only somebody else's use of the budget is news."""
        return paced and self._limit is not None and len(self._frees) + self._in_flight > 0.8 * self._limit

    def _strike(self, now: float, started: float, retry_after: timedelta | None) -> None:
        left_before_the_pause = started < self._paused_since
        backoff = min(self._window, self._window / 60 * 2**self._strikes)
        seconds = backoff if retry_after is None else retry_after.total_seconds()
        if left_before_the_pause:
            if retry_after is not None:
                self._pause(now, seconds)
            return
        # Within a window of the previous strike the count is a remainder and says nothing about the limit.
        telling = self._strikes == 0 or now - self._paused_since > self._window
        self._strikes += 1
        self._paused_since = now
        self._pause(now, seconds)
        short = seconds <= 2 * self._window  # a longer wait speaks of the day's budget, not of the minute's
        counted = len(self._frees)
        guessed = self._limit is None or self._learned_at is not None
        if short and guessed and telling and counted >= _FEWEST_TO_LEARN_FROM:
            self._limit = counted if self._limit is None else min(self._limit, counted)
            self._learned_at = now

    def _raise_learned(self, now: float) -> None:
        """A limit guessed from a 429 may be too low (others shared the window), so it is tried upwards, slowly."""
        clean_since = self._learned_at
        if clean_since is None or self._limit is None:
            return
        if now - clean_since > _CLEAN_WINDOWS_BEFORE_RAISE * self._window:
            self._limit = ceil(self._limit * 1.1)
            self._learned_at = now

    def _pause(self, now: float, seconds: float) -> None:
        if now + seconds <= self._paused_until:
            return
        self._paused_until = now + seconds
        if self._on_limit is not None:
            self._on_limit(timedelta(seconds=seconds))


def _paused(seconds: float) -> RateLimitedError:
    return RateLimitedError(
        f"the Linkt API asked for a pause that lasts another {seconds:.0f} s; nothing was sent. "
        "Come back then: everything already landed stays.",
        retry_after=timedelta(seconds=seconds),
        status=429,
    )
