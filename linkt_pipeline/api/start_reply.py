"""Did a start request that brought no run id start a run all the same? The one place that decides it.

A start request costs credits and has no idempotency key. So an answer counts as "surely no run" only where nothing can
have begun: no byte left, or the application itself read the request and refused it before any work. Every other answer
is unclear, whatever its status promises in theory: behind a gateway that retries, times out or loses its server, each
of them has come after the run was made. ``docs/guarantees.md`` has the same list for the user.
"""

from collections.abc import Mapping
from enum import Enum

from linkt_pipeline.api.errors import (
    InvalidIdError,
    LinktApiError,
    RateLimitedError,
    RefusedError,
    RequestNotSentError,
    UnexpectedRedirectError,
)

# Each is decided by the application from the request alone, before it creates anything.
REFUSALS_BEFORE_WORK: Mapping[int, str] = {
    400: "the request cannot be understood",
    401: "the key is missing or wrong",
    402: "the account may not spend any more",
    403: "the key lacks the permission",
    404: "the key's organization has no such task",
    422: "a field of the request is not valid",
}


class StartReply(Enum):
    """What a failed start request says about the run it asked for."""

    NOT_SENT = "not sent"  # nothing left this machine: it may be sent again
    REFUSED = "refused"  # read and refused before any work: the same request would be refused again
    UNCLEAR = "unclear"  # a run may exist: only the list of runs can tell


def read_start_reply(error: LinktApiError) -> StartReply:
    """What the failure of a start request says.

    Args:
        error: what :meth:`~linkt_pipeline.api.LinktClient.execute_task` raised.
    """
    match error:
        case RequestNotSentError():
            return StartReply.NOT_SENT
        case RateLimitedError(status=None):  # a pause that an earlier 429 ordered: this request waited for its end
            return StartReply.NOT_SENT
        case InvalidIdError():
            return StartReply.REFUSED
        case RefusedError(by_application=True, status=status) if status in REFUSALS_BEFORE_WORK:
            return StartReply.REFUSED
    return StartReply.UNCLEAR


def is_success(error: LinktApiError) -> bool:
    """Whether the reply was a success all the same, only without a usable run id: a run probably exists."""
    return error.status is not None and 200 <= error.status < 300


def is_worth_repeating(error: LinktApiError) -> bool:
    """Whether the same start request may succeed later, once it is known that an unclear one left no run."""
    if isinstance(error, RefusedError):
        return error.retriable
    return not isinstance(error, UnexpectedRedirectError)
