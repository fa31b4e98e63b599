"""A limit on requests per minute, over a sliding window."""

import math
import time
from collections import deque
from collections.abc import Callable

from linkt_pipeline.sandbox.errors import Refusal


class RateLimit:
    """Lets ``per_minute`` requests through in any 60 seconds; refused ones do not count."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._admitted: deque[float] = deque()

    def admit(self) -> dict[str, str]:
        """Count a request.

        Returns:
            The headers that show the limit's state.

        Raises:
            Refusal: 429 with Retry-After.
        """
        now = self._clock()
        while self._admitted and self._admitted[0] <= now - 60:
            self._admitted.popleft()
        full = len(self._admitted) >= self._per_minute
        wait = math.ceil(self._admitted[0] + 60 - now) if self._admitted else 60
        if not full:
            self._admitted.append(now)
        headers = {
            "x-ratelimit-limit": str(self._per_minute),
            "x-ratelimit-remaining": str(self._per_minute - len(self._admitted)),
            "x-ratelimit-reset": str(wait),
        }
        if full:
            raise Refusal(429, "Rate limit exceeded", {**headers, "retry-after": str(max(1, wait))})
        return headers
