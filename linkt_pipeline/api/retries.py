"""When a read is sent again. Writes are not retried here; the paid one never is."""

import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from linkt_pipeline.api.errors import (
    LinktApiError,
    MalformedBodyError,
    RateLimitedError,
    RequestNotSentError,
    ServiceUnavailableError,
)

T = TypeVar("T")

_log = logging.getLogger(__name__)

# A body that arrives cut three times was cut at its source, so further attempts bring nothing else.
_TRUNCATED_ATTEMPTS = 3
_WAIT_INITIAL = 0.5
_WAIT_MAX = 30.0


def read_may_be_retried(error: LinktApiError) -> bool:
    """Whether the same GET may bring something else: after lost, broken or cut answers, and refusals for now."""
    return error.retriable or (isinstance(error, MalformedBodyError) and error.truncated)


def cancel_may_be_retried(error: LinktApiError) -> bool:
    """Whether it is certain that a cancel had no effect yet, so that it may be sent again."""
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
        policy = _Policy(may_retry, time.monotonic() + retry_for.total_seconds(), attempts)
        first: LinktApiError | None = error

    async def again() -> T:
        nonlocal first
        if first is not None:
            # The failure already seen is the loop's first attempt.
            failure, first = first, None
            raise failure
        return await attempt()

    return await AsyncRetrying(
        retry=retry_if_exception(policy.may_retry),
        stop=policy.stop,
        wait=policy.wait,
        before_sleep=_log_wait,
        reraise=True,
    )(again)


class _Policy:
    """One call's view of whether, and after how long, to try again."""

    def __init__(self, may_retry: Callable[[LinktApiError], bool], deadline: float, attempts: int | None) -> None:
        self._may_retry = may_retry
        self._deadline = deadline
        self._attempts = attempts
        self._truncated = 0

    def may_retry(self, error: BaseException) -> bool:
        if isinstance(error, MalformedBodyError):
            self._truncated += 1
            if self._truncated >= _TRUNCATED_ATTEMPTS:
                return False
        return isinstance(error, LinktApiError) and self._may_retry(error)

    def stop(self, state: RetryCallState) -> bool:
        if self._attempts is not None and state.attempt_number >= self._attempts:
            return True
        return time.monotonic() + (_ordered_wait(state) or 0.0) > self._deadline

    def wait(self, state: RetryCallState) -> float:
        ordered = _ordered_wait(state)
        if ordered is not None:
            return ordered + random.uniform(0.0, min(1.0, 0.05 + 0.1 * ordered))  # noqa: S311
        ceiling = min(_WAIT_MAX, _WAIT_INITIAL * 2.0 ** (state.attempt_number - 1))
        return random.uniform(0.5, 1.0) * ceiling  # noqa: S311


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _ordered_wait(state: RetryCallState) -> float | None:
    error = _failure(state)
    wait = error.retry_after if isinstance(error, RateLimitedError | ServiceUnavailableError) else None
    return None if wait is None else wait.total_seconds()


def _log_wait(state: RetryCallState) -> None:
    _log.info("trying again in %.1f s: %s", state.upcoming_sleep, _failure(state))
