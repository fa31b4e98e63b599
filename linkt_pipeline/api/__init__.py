"""Linkt over HTTP: client, models, errors, throttle. Knows no Dagster and no database."""

from linkt_pipeline import lean_httpx  # noqa: F401, I001

from linkt_pipeline.api.body import DEFAULT_MAX_BODY
from linkt_pipeline.api.client import DEFAULT_RETRY_FOR, LinktClient
from linkt_pipeline.api.errors import (
    AuthenticationError,
    BodyTooLargeError,
    ConflictError,
    ForeignNotFoundError,
    IncompleteListError,
    InvalidIdError,
    InvalidRequestError,
    LinktApiError,
    MalformedBodyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RefusedError,
    ReplyLostError,
    RequestNotSentError,
    RequestTimeoutError,
    ServerError,
    ServiceUnavailableError,
    UnexpectedRedirectError,
)
from linkt_pipeline.api.ids import check_id, is_id, made_at, same_id
from linkt_pipeline.api.models import (
    Entity,
    EntityCounts,
    Execution,
    Icp,
    Page,
    Run,
    RunOutput,
    RunQueue,
    Schedule,
    Sheet,
    Signal,
    Task,
)
from linkt_pipeline.api.start_reply import StartReply, is_success, is_worth_repeating, read_start_reply
from linkt_pipeline.api.status import RunStatus
from linkt_pipeline.api.throttle import Throttle
from linkt_pipeline.api.transport import DEFAULT_TIMEOUTS, RequestRecord
from linkt_pipeline.api.wire import parse_entity, parse_run, parse_signal

__all__ = [
    "DEFAULT_MAX_BODY",
    "DEFAULT_RETRY_FOR",
    "DEFAULT_TIMEOUTS",
    "AuthenticationError",
    "BodyTooLargeError",
    "ConflictError",
    "Entity",
    "EntityCounts",
    "Execution",
    "ForeignNotFoundError",
    "Icp",
    "IncompleteListError",
    "InvalidIdError",
    "InvalidRequestError",
    "LinktApiError",
    "LinktClient",
    "MalformedBodyError",
    "NotFoundError",
    "Page",
    "PermissionDeniedError",
    "RateLimitedError",
    "RefusedError",
    "ReplyLostError",
    "RequestNotSentError",
    "RequestRecord",
    "RequestTimeoutError",
    "Run",
    "RunOutput",
    "RunQueue",
    "RunStatus",
    "Schedule",
    "ServerError",
    "ServiceUnavailableError",
    "Sheet",
    "Signal",
    "StartReply",
    "Task",
    "Throttle",
    "UnexpectedRedirectError",
    "check_id",
    "is_id",
    "is_success",
    "is_worth_repeating",
    "made_at",
    "parse_entity",
    "parse_run",
    "parse_signal",
    "read_start_reply",
    "same_id",
]
