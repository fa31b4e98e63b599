"""Finds the limit behind the 429s of a server that does not announce one.

A single 429 says little: gateways send them at random, a neighbour may have used the window, a burst may have been too
dense. So a 429 pauses everything for a moment and teaches nothing by itself. A wall is proven only when the probes
after the pauses are refused too. Its height is the number of requests that the window held at the first refusal. From
then on, so many requests pass. Now and then a window tries for more, and after each failure it tries more rarely (the
doubling of TCP's congestion avoidance, applied to windows in place of round trips).
"""

from collections import deque
from math import ceil

FEWEST = 10  # a lower wall means that somebody else uses the window too
_REFUSED_PROBES = 3  # in a row; at 5 % stray refusals one in 8,000 is mistaken for a wall
_REFUSED_PROBES_BELOW = 2  # where a limit is known, and refusals come before it is reached
_NEAR = 0.95  # a refusal this close to the known limit has met it
_TRIAL_WINDOWS = 2  # so long a time holds one whole window of the server, wherever that window begins
_GROWTH, _LEAST_GROWTH = 1.5, 1.05
_FIRST_REST, _LONGEST_REST = 0.5, 8  # windows between two trials
# A sliding window frees places during each pause, so probes pass; such a share of refusals is no accident.
_TELLING_SHARE, _TELLING_REFUSALS = 0.12, 6
_DENSE_SHARE = 1 / 3  # of all answers of a window: short bursts are refused, whatever the window holds


class LimitSearch:
    """Learns from refusals and acceptances; knows no clock and sends nothing.

    Times and windows are in seconds. A ``count`` is the number of accepted requests that the window holds just then.
    """

    def __init__(self) -> None:
        self.value: int | None = None
        self._trial: int | None = None
        self._growth = _GROWTH
        self._rest: float = 1
        self._best = 0
        self._clean_since = 0.0
        self._first_accepted: float | None = None
        self._is_new = self._lowered = False
        self._in_a_row = self._height = 0
        self._met: deque[float] = deque(maxlen=100)
        self._all: deque[float] = deque(maxlen=5_000)

    @property
    def in_force(self) -> int | None:
        """Requests per window that may pass now; ``None`` while there is no sign of a limit."""
        return self._trial or self.value

    @property
    def is_unsure(self) -> bool:
        """Whether a burst could meet a wall that is lower than the limit in force."""
        return self._trial is not None or self._lowered

    def refused(self, now: float, count: int, retry_after: float | None, window: float) -> float:
        """Take a 429 into account that was sent after the last pause.

        Returns:
            Seconds for which nothing should be sent: what the server asks for, else a sixtieth of the window, doubled
            with each refusal in a row, up to the whole.
        """
        self._in_a_row += 1
        self._met.append(now)
        self._all.append(now)
        pause = min(window, window / 60 * 2.0 ** min(self._in_a_row - 1, 10)) if retry_after is None else retry_after
        if pause > 2 * window:  # speaks of the day's budget, not of the window
            return pause
        if self._in_a_row == 1 or self.value is not None:
            self._height = count
        if self._is_wall(now, count, retry_after, window):
            self._believe(now, count)
        return pause

    def overlapped(self, now: float, count: int, *, refused: bool) -> None:
        """Take an answer into account that was on its way when the last pause began."""
        if refused:
            self._all.append(now)
        elif self._in_a_row == 1:
            self._height = max(self._height, count)
            if self._is_new:
                self.value = max(FEWEST, self._height)

    def accepted(self, now: float, count: int, window: float) -> None:
        """Take an acceptance into account of a request that was sent after the last pause."""
        self._in_a_row, self._is_new = 0, False
        self._first_accepted = now if self._first_accepted is None else self._first_accepted
        if self.value is None:
            return
        rested = now - self._clean_since
        if self._trial is None and rested >= self._rest * window and count >= 0.9 * self.value:
            self._trial = max(ceil(self.value * self._growth), self._best)
            self._clean_since = now
        elif self._trial is not None and rested >= _TRIAL_WINDOWS * window:
            was_known = self._trial <= self._best
            self.value = max(self.value, self._trial if count >= 0.9 * self._trial else count)
            self._best, self._trial, self._lowered = self.value, None, False
            self._growth = min(_GROWTH, 1 + 2 * (self._growth - 1))
            self._rest, self._clean_since = 1, now if was_known else now - window

    def _is_wall(self, now: float, count: int, retry_after: float | None, window: float) -> bool:
        if retry_after is not None and retry_after >= window / 10:  # nobody asks for that by accident
            return True
        known_for_long = self._first_accepted is not None and now - self._first_accepted >= window
        if known_for_long and _share(self._all, now - window, count) >= _DENSE_SHARE:
            return True
        if self.value is None:
            return self._in_a_row > _REFUSED_PROBES
        if self._meets_the_limit(count, self.value) or self._in_a_row > _REFUSED_PROBES_BELOW:
            return True
        return _share(self._met, now - window, count) >= _TELLING_SHARE

    def _meets_the_limit(self, count: int, value: int) -> bool:
        """Whether the known limit explains the refusal. Further refusals in a row need another explanation."""
        return self._in_a_row == 1 and count >= _NEAR * value

    def _believe(self, now: float, count: int) -> None:
        """The window was full at that height."""
        height = max(FEWEST, self._height)
        if self.value is None:
            self.value, self._is_new = height, True
        elif not self._meets_the_limit(count, self.value):  # the limit fell, or somebody else uses part of it
            self._best = max(self._best, self.value)
            self.value = min(self.value, height)
            self._growth, self._rest, self._lowered = _GROWTH, _FIRST_REST, True
        elif self._trial is None:  # at an even pace the count is the pace, wherever the server's window ends
            self.value = max(FEWEST, min(int(self.value * _NEAR), height))
        else:
            self._rest = min(2 * self._rest, _LONGEST_REST)
            self._growth = max(_LEAST_GROWTH, 1 + (self._growth - 1) / 2)
        self._trial = None
        self._clean_since = now
        self._met.clear()
        self._all.clear()


def _share(refusals: deque[float], since: float, accepted: int) -> float:
    """The share of refusals among the answers since a moment; 0 if the answers are too few to judge."""
    while refusals and refusals[0] < since:
        refusals.popleft()
    if len(refusals) < _TELLING_REFUSALS:
        return 0.0
    return len(refusals) / (len(refusals) + accepted)
