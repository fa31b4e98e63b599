"""When a read is sent again. Writes are not retried here; the paid one never is."""

import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import stamina

from linkt_pipeline.api.errors import (
    LinktApiError,
    MalformedBodyError,
    RateLimitedError,
    RequestNotSentError,
    ServiceUnavailableError,
)

T = TypeVar("T")

# A body that arrives cut three times is cut at its source.
_TRUNCATED_ATTEMPTS = 3
_WAIT_INITIAL = 0.5
_WAIT_MAX = 30.0


def read_may_be_retried(error: LinktApiError) -> bool:
    """Whether the same GET may bring something else: lost, refused for now, broken or cut answers."""
    return error.retriable or (isinstance(error, MalformedBodyError) and error.truncated)


def cancel_may_be_retried(error: LinktApiError) -> bool:
    """Whether a cancel surely did nothing yet and may be sent again."""
    return isinstance(error, RequestNotSentError | RateLimitedError | ServiceUnavailableError)


async def with_retries(
    attempt: Callable[[], Awaitable[T]],
    *,
    may_retry: Callable[[LinktApiError], bool],
    retry_for: timedelta | None,
    attempts: int | None = None,
) -> T:
    """The result of ``attempt``, tried again with jittered, doubling waits; Retry-After is obeyed, however long.

    Args:
        attempt: makes one request.
        may_retry: decides by error.
        retry_for: how long to keep trying, counted from the first failure; None = one attempt only.
        attempts: at most so many, None = as many as fit into ``retry_for``.

    Raises:
        LinktApiError: the last failure. When the server asks to wait beyond ``retry_for`` it comes at once, with
            ``retry_after``.
    """
    try:
        # The common case costs nothing of the retry machinery: 20,000 reads in a row pass here.
        return await attempt()
    except LinktApiError as error:
        if retry_for is None or attempts == 1 or not may_retry(error):
            raise
        first: LinktApiError | None = error

    deadline = time.monotonic() + retry_for.total_seconds()
    truncated = 0

    def decide(error: Exception) -> bool | timedelta:
        nonlocal truncated
        if not isinstance(error, LinktApiError) or not may_retry(error):
            return False
        if isinstance(error, MalformedBodyError):
            truncated += 1
            return truncated < _TRUNCATED_ATTEMPTS
        wait = error.retry_after if isinstance(error, RateLimitedError | ServiceUnavailableError) else None
        if wait is None:
            return time.monotonic() < deadline
        jittered = wait + timedelta(seconds=random.uniform(0, min(1.0, 0.1 * wait.total_seconds() + 0.05)))  # noqa: S311
        return jittered if time.monotonic() + wait.total_seconds() <= deadline else False

    async for tried in stamina.retry_context(
        on=decide,
        attempts=attempts,
        timeout=None,
        wait_initial=_WAIT_INITIAL,
        wait_max=_WAIT_MAX,
        wait_jitter=_WAIT_INITIAL,
    ):
        with tried:
            if first is not None:
                # The failure already seen is this loop's first attempt.
                failure, first = first, None
                raise failure
            return await attempt()
    raise AssertionError("stamina either returns or raises")
