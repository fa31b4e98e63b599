"""Linkt over HTTP: client, models, errors, throttle. Knows no Dagster and no database."""

from linkt_pipeline.api.client import LinktClient
from linkt_pipeline.api.errors import (
    AuthenticationError,
    ConflictError,
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
from linkt_pipeline.api.ids import check_id
from linkt_pipeline.api.models import (
    Entity,
    EntityCounts,
    Execution,
    Icp,
    Page,
    Run,
    RunOutput,
    RunQueue,
    Sheet,
    Signal,
    Task,
)
from linkt_pipeline.api.status import RunStatus
from linkt_pipeline.api.throttle import Throttle
from linkt_pipeline.api.transport import DEFAULT_TIMEOUTS, RequestRecord
from linkt_pipeline.api.wire import parse_entities, parse_signals

__all__ = [
    "DEFAULT_TIMEOUTS",
    "AuthenticationError",
    "ConflictError",
    "Entity",
    "EntityCounts",
    "Execution",
    "Icp",
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
    "ServerError",
    "ServiceUnavailableError",
    "Sheet",
    "Signal",
    "Task",
    "Throttle",
    "UnexpectedRedirectError",
    "check_id",
    "parse_entities",
    "parse_signals",
]
