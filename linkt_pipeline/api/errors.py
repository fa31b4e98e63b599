"""The errors of requests to the Linkt API, as one tree.

The tree says what came back. :mod:`~linkt_pipeline.api.start_reply` decides what it means for a start request, which
costs money.

No message, attribute or exception chain of these errors holds the API key: they are raised outside of any ``except``
block, so that they chain no transport error (which may carry request headers), and every text passes
:mod:`linkt_pipeline.redaction` first.
"""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import blake2b
from typing import ClassVar

from linkt_pipeline.api.json_text import find_id
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.redaction import redact

NAMELESS = "unreadable-"  # prefix of the name of an unreadable body that shows no id


class LinktApiError(LinktPipelineError):
    """A request to the Linkt API did not give a usable answer.

    Attributes:
        method: HTTP method, such as ``GET``; empty when no request was made.
        path: path and query, never the host or a credential.
        status: HTTP status, None without an answer.
        body_excerpt: at most 500 characters of the answer's body, key redacted.
        retriable: whether sending the same *read* again may help.
    """

    retriable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, method: str = "", path: str = "", status: int | None = None, body_excerpt: str = ""
    ) -> None:
        super().__init__(message)
        self.method = method
        self.path = path
        self.status = status
        self.body_excerpt = body_excerpt


class InvalidIdError(LinktApiError):
    """An id that must not enter a URL; no request was made."""


class RequestNotSentError(LinktApiError):
    """The request did not reach the server (name not found, connection refused, TLS failed): it may be sent again."""

    retriable: ClassVar[bool] = True


class ReplyLostError(LinktApiError):
    """The request left, but no complete answer came back: the server may or may not have done the work."""

    retriable: ClassVar[bool] = True


class UnexpectedRedirectError(LinktApiError):
    """A 3xx. Redirects are never followed: the ``x-api-key`` header would travel to the new host."""


class MalformedBodyError(LinktApiError):
    """A 2xx whose body can't be used.

    Attributes:
        payload: the body as it arrived (key redacted), whole unless it is too large.
        reason: what is wrong with it.
        field: the field that is missing or of the wrong type, None when the body is not JSON at all.
        truncated: the body is not a complete JSON text, so another attempt may bring a whole one.
    """

    def __init__(
        self,
        message: str,
        *,
        payload: str,
        reason: str,
        field: str | None = None,
        truncated: bool = False,
        method: str = "",
        path: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(message, method=method, path=path, status=status, body_excerpt=payload[:500])
        self.payload = payload
        self.reason = reason
        self.field = field
        self.truncated = truncated

    @property
    def object_id(self) -> str | None:
        """The id that the body seems to be about; None if it shows none."""
        return find_id(self.payload)

    @property
    def subject(self) -> str:
        """The id under which the body is kept: its :attr:`object_id`, else an id made of its text."""
        digest = blake2b(self.payload.encode("utf-8", "replace"), digest_size=8).hexdigest()
        return self.object_id or f"{NAMELESS}{digest}"

    def placed(self, method: str, path: str, status: int) -> "MalformedBodyError":
        """The same error with the request that it is about, and with its message cleaned."""
        return MalformedBodyError(
            redact(f"{method} {path}: {self}"),
            payload=self.payload,
            reason=redact(self.reason),
            field=self.field,
            truncated=self.truncated,
            method=method,
            path=redact(path),
            status=status,
        )


class BodyTooLargeError(MalformedBodyError):
    """A 2xx with a body above the limit. ``payload`` holds its first kilobytes. Another read would bring the same.

    Attributes:
        requests: how many requests were sent before a page that was read in parts was given up.
    """

    requests = 1

    def __init__(self, beginning: str, *, limit: int, method: str, path: str, status: int) -> None:
        reason = f"the body is larger than {limit / 2**20:g} MB (LINKT_MAX_BODY_MB)"
        super().__init__(
            f"{method} {path}: {reason}; its first {len(beginning):,} characters are kept",
            payload=beginning,
            reason=reason,
            method=method,
            path=path,
            status=status,
        )


class IncompleteListError(LinktApiError):
    """A list ended before its total, or holds rows that can't be read: it may lack objects that exist."""


class _WaitableError(LinktApiError):
    """An answer that may say when to come back."""

    retriable: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        method: str = "",
        path: str = "",
        status: int | None = None,
        body_excerpt: str = "",
    ) -> None:
        super().__init__(message, method=method, path=path, status=status, body_excerpt=body_excerpt)
        self.retry_after = retry_after


class RateLimitedError(_WaitableError):
    """429, or a pause that an earlier 429 ordered and that outlasts the caller's patience.

    Attributes:
        retry_after: how long the server asks to wait, None when it does not say.
    """


class ServiceUnavailableError(_WaitableError):
    """503.

    Attributes:
        retry_after: how long the server asks to wait, None when it does not say.
    """


class ServerError(LinktApiError):
    """Any 5xx but 503: the server may or may not have done the work."""

    retriable: ClassVar[bool] = True


class RefusedError(LinktApiError):
    """A 4xx. As a rule, the same request gets the same answer again.

    Attributes:
        by_application: the body is a JSON object, as Linkt's application sends it. A gateway, proxy or load balancer
            answers with HTML, text or nothing, and does not know what happened behind it.
    """

    def __init__(
        self,
        message: str,
        *,
        by_application: bool = False,
        method: str = "",
        path: str = "",
        status: int | None = None,
        body_excerpt: str = "",
    ) -> None:
        super().__init__(message, method=method, path=path, status=status, body_excerpt=body_excerpt)
        self.by_application = by_application


class InvalidRequestError(RefusedError):
    """400 or 422: a field of the request is wrong."""


class AuthenticationError(RefusedError):
    """401: the key is missing, wrong or no longer valid."""


class PermissionDeniedError(RefusedError):
    """403: the key is valid and lacks the permission."""


class NotFoundError(RefusedError):
    """404. For an entity or a signal this is data: it has been deleted."""


class ForeignNotFoundError(RefusedError):
    """404 from a proxy or gateway, not from Linkt, so it says nothing about an id."""


class ConflictError(RefusedError):
    """409: the thing is in a state that does not allow this."""


class RequestTimeoutError(RefusedError):
    """408 or 425: the server did not want to read the request yet."""

    retriable: ClassVar[bool] = True


REFUSALS: Mapping[int, type[RefusedError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: RequestTimeoutError,
    409: ConflictError,
    422: InvalidRequestError,
    425: RequestTimeoutError,
}
