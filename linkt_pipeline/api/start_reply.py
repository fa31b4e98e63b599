"""Decides whether a failed start request may have started a run. No other place decides it.

A start request costs credits and has no idempotency key. An answer proves that no run exists in two cases only: no byte
left this machine, or the application itself read the request and refused it before any work. Every other answer is
unclear, whatever its status means in theory: a gateway may retry, time out or lose its server, and then each of these
answers can come after the run was made. ``docs/guarantees.md`` has the same list for the user.
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
    """What the failure of a start request says about its run."""

    NOT_SENT = "not sent"  # nothing left this machine: it may be sent again
    REFUSED = "refused"  # read, and refused before any work: Linkt would refuse the same request again
    UNCLEAR = "unclear"  # a run may exist: the list of runs decides


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
    """Whether the reply was a success without a usable run id: a run probably exists."""
    return error.status is not None and 200 <= error.status < 300


def is_worth_repeating(error: LinktApiError) -> bool:
    """Whether the same start request may succeed later, after the list has shown that the unclear one made no run."""
    if isinstance(error, RefusedError):
        return error.retriable
    return not isinstance(error, UnexpectedRedirectError)
