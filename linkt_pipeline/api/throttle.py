"""One limiter for every request of the process.

The settings and the headers of answers (any header with ``ratelimit`` in its name, Retry-After) set a hard cap. The
limiter's own pace never provokes a 429: the place of a request becomes free one window after its *answer* came, which
is safe for both kinds of window that a server may count in, fixed and sliding. If neither settings nor headers name a
limit, :mod:`~linkt_pipeline.api.limit_search` finds it.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from weakref import WeakKeyDictionary

from linkt_pipeline.api.errors import RateLimitedError
from linkt_pipeline.api.limit_search import LimitSearch
from linkt_pipeline.api.ratelimit_headers import read_limits

MINUTE = timedelta(minutes=1)
Gate = Callable[[], float]
"""Reserves a place of a budget kept elsewhere. Returns 0, or the seconds after which to ask again; may raise."""

# The server counts a request at some moment between its start and its answer. Not knowing the moment costs capacity:
# this share of a window at most.
_SLACK = 0.1
_MARGIN = 0.003
# Up to this share of a window may go out in one burst, so that small jobs don't crawl; the rest is paced evenly.
_BURST = 0.5
_SMALL_BURST = 1 / 60  # after a burst was refused, for so many windows
_SMALL_BURST_WINDOWS = 10
_LOOK = 0.005  # seconds between two looks for an answer on the ramp; it comes within a round trip
_RAMP_ENDS = 64
# A limit over a longer window is a day's budget: it is spent freely and then waited for, not paced.
_LONGEST_PACED_SECONDS = 600.0


class Throttle:
    """Lets requests pass no faster than the plan allows; shared by all tasks, event loops and threads of a process.

    Args:
        requests_per_minute: the plan's limit if it is known beforehand; honoured from the first request.
        window: what the limit counts in; a minute by the vendor's documentation.
        gate: asked last, right before a request leaves; may raise to refuse it.
        on_limit: is called with each pause the server orders.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        *,
        window: timedelta = MINUTE,
        gate: Gate | None = None,
        on_limit: Callable[[timedelta], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._declared = requests_per_minute
        self._said = requests_per_minute  # by the settings or by the server
        self._search = LimitSearch()
        self._window = window.total_seconds()
        self._gate = gate
        self._on_limit = on_limit
        self._clock = clock
        self._in_flight = 0
        self._frees: deque[float] = deque(maxlen=20_000)  # when each answered request leaves the window
        self._next_start = 0.0
        self._paused_since = self._paused_until = float("-inf")
        self._strikes = 0
        # After a pause that a 429 caused, one request at first, then twice as many with each round trip.
        self._ramp: int | None = None
        self._out_on_the_ramp = 0
        self._small_burst_until = float("-inf")
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._guard = threading.Lock()

    @property
    def limit(self) -> int | None:
        """Requests per window in force, None while none is known."""
        found = self._search.in_force
        return min(self._said, found) if self._said and found else self._said or found

    async def acquire(self, *, patience: timedelta | None = None) -> float:
        """Wait for this request's turn. Each call must be followed by one :meth:`observe`.

        Args:
            patience: longest ordered pause to sit out (the ordinary queue does not count); None = however long.

        Returns:
            The time of the start, to be handed to :meth:`observe`.

        Raises:
            RateLimitedError: the pause outlasts the patience. Nothing was sent.
        """
        if not self._claim_freely():
            # Only the first in line sleeps on the clock; the others wait for the line, in order.
            async with self._turn():
                while (delay := self._claim(patience)) > 0:  # noqa: ASYNC110 - the wait is known, nothing is polled
                    await asyncio.sleep(delay)
        return self._clock()

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
        now = self._clock()
        with self._guard:
            self._in_flight -= 1
            self._forget(now)
            after_pause = started >= self._paused_since
            self._out_on_the_ramp -= after_pause and self._out_on_the_ramp > 0
            if status != 429:
                self._frees.append(min(now, started + _SLACK * self._window) + (1 + _MARGIN) * self._window)
            self._read(now, headers)
            if status == 429:
                self._strike(now, after_pause, retry_after)
            elif not after_pause:
                self._search.overlapped(now, len(self._frees), refused=False)
            elif status is not None:
                self._accept(now)

    def pause(self, duration: timedelta) -> None:
        """Let no request start for this long."""
        with self._guard:
            self._pause(self._clock(), duration.total_seconds())

    def _turn(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        with self._guard:
            return self._turns.setdefault(loop, asyncio.Lock())

    def _claim_freely(self) -> bool:
        with self._guard:
            if self.limit is not None or self._gate is not None or self._paused_until > float("-inf"):
                return False
            self._in_flight += 1
            return True

    def _claim(self, patience: timedelta | None) -> float:
        """Take a place and return 0, or return the seconds after which to ask again."""
        with self._guard:
            now = self._clock()
            if (pause := self._paused_until - now) > 0:
                if patience is not None and pause > patience.total_seconds():
                    raise _paused(pause)
                return pause
            if self._ramp is not None and self._out_on_the_ramp >= self._ramp:
                return _LOOK
            limit = self.limit
            if limit is not None and (delay := self._delay(now, limit)) > 0:
                return delay
            if self._gate is not None and (delay := self._gate()) > 0:
                return delay
            self._in_flight += 1
            self._out_on_the_ramp += self._ramp is not None
            return 0.0

    def _delay(self, now: float, limit: int) -> float:
        self._forget(now)
        used = len(self._frees) + self._in_flight
        interval = self._window / limit
        if used >= limit:
            return max(self._frees[0] - now, 0.001) if self._frees else interval
        dense = now >= self._small_burst_until and not self._search.is_unsure
        if used < limit * (_BURST if dense else _SMALL_BURST):
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

    def _read(self, now: float, headers: Mapping[str, str] | None) -> None:
        """Take over what an answer says about limits."""
        for seen in read_limits(headers) if headers else ():
            paced = (seen.window or self._window) <= _LONGEST_PACED_SECONDS
            if seen.limit and paced and (seen.reset or 0) <= _LONGEST_PACED_SECONDS:
                self._said = min(int(seen.limit), self._declared) if self._declared else int(seen.limit)
                self._window = seen.window or self._window
            if seen.remaining == 0 and seen.reset and not self._expects_none_left(paced):
                self._pause(now, seen.reset)

    def _expects_none_left(self, paced: bool) -> bool:
        """At full pace the last place is always taken; only somebody else's use of the budget is news."""
        limit = self.limit
        return paced and limit is not None and len(self._frees) + self._in_flight > 0.8 * limit

    def _strike(self, now: float, after_pause: bool, retry_after: timedelta | None) -> None:
        asked = None if retry_after is None else retry_after.total_seconds()
        if not after_pause:  # it left before the refusal that caused the pause, so it says nothing new
            if asked is not None:
                self._pause(now, asked)
            self._search.overlapped(now, len(self._frees), refused=True)
            return
        self._strikes += 1
        self._paused_since, self._ramp, self._out_on_the_ramp = now, 1, 0
        self._pause(now, self._search.refused(now, len(self._frees), asked, self._window))

    def _accept(self, now: float) -> None:
        limit = self.limit
        if self._strikes == 1 and limit and len(self._frees) < limit * _BURST:
            self._small_burst_until = now + _SMALL_BURST_WINDOWS * self._window  # too dense, not too many
        self._strikes = 0
        if self._ramp is not None:
            self._ramp = self._ramp + 1 if self._ramp < _RAMP_ENDS else None
        self._search.accepted(now, len(self._frees), self._window)

    def _pause(self, now: float, seconds: float) -> None:
        if now + seconds <= self._paused_until:
            return
        self._paused_until = now + seconds
        if self._on_limit is not None:
            self._on_limit(timedelta(seconds=seconds))


def _paused(seconds: float) -> RateLimitedError:
    return RateLimitedError(
        f"the Linkt API ordered a pause of another {seconds:.0f} s; nothing was sent. "
        "Come back then: everything already landed stays.",
        retry_after=timedelta(seconds=seconds),
    )
