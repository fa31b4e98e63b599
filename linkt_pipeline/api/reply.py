"""From an HTTP status and body to either the body or the error that says what happened."""

import html
import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from linkt_pipeline.api.errors import (
    REFUSALS,
    AuthenticationError,
    ForeignNotFoundError,
    LinktApiError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RefusedError,
    ReplyLostError,
    ServerError,
    ServiceUnavailableError,
    UnexpectedRedirectError,
)
from linkt_pipeline.api.json_text import load_json
from linkt_pipeline.api.ratelimit_headers import read_retry_after
from linkt_pipeline.redaction import redact

_NEXT_STEP: Mapping[type[LinktApiError], str] = {
    AuthenticationError: "Check LINKT_API_KEY: it is wrong, revoked, or belongs to another environment.",
    PermissionDeniedError: "The key is valid but may not do this; ask the organization's admin.",
    NotFoundError: "It does not exist in the key's organization; it may have been deleted.",
    ForeignNotFoundError: "A proxy or gateway answered instead of Linkt; check LINKT_BASE_URL and proxies.",
    RateLimitedError: "Wait, or lower LINKT_REQUESTS_PER_MINUTE.",
    ServiceUnavailableError: "The API is down or overloaded; try again later.",
    ServerError: "The API failed; if this lasts, report it to Linkt with the time and the path.",
}
_LONGEST_READABLE = 300
_EXCERPT_LENGTH = 500


def error_for(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> LinktApiError | None:
    """The error a status stands for, None for a 2xx."""
    if 200 <= status < 300:
        return None
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    said = redact(readable(body))
    if len(said) > _LONGEST_READABLE:
        said = said[: _LONGEST_READABLE - 1] + "…"
    known = {"method": method, "path": redact(path), "status": status, "body_excerpt": _excerpt(body)}

    if status < 200:
        return ReplyLostError(
            f"{method} {known['path']}: {phrase} is no final answer, and what follows it can't be read.",
            **known,  # type: ignore[arg-type]
        )
    if status < 400:
        location = redact(headers.get("location", "nowhere"))
        return UnexpectedRedirectError(
            f"{method} {known['path']}: {phrase} to {location}. Redirects are not followed, because the key would "
            "travel along; check LINKT_BASE_URL.",
            **known,  # type: ignore[arg-type]
        )
    kind: type[LinktApiError] = ServerError
    by_application = _is_json_object(body)
    if status == 429:
        kind = RateLimitedError
    elif status == 503:
        kind = ServiceUnavailableError
    elif status < 500:
        kind = REFUSALS.get(status, RefusedError)
        if kind is NotFoundError and not by_application:
            kind = ForeignNotFoundError
    message = f"{method} {known['path']}: {phrase}: {said or 'the answer gives no reason'}"
    if kind in _NEXT_STEP:
        message = f"{message.rstrip('.')}. {_NEXT_STEP[kind]}"
    if kind in (RateLimitedError, ServiceUnavailableError):
        return kind(message, retry_after=read_retry_after(headers, body), **known)  # type: ignore[arg-type]
    if issubclass(kind, RefusedError):
        return kind(message, by_application=by_application, **known)  # type: ignore[arg-type]
    return kind(message, **known)  # type: ignore[arg-type]


def _excerpt(body: bytes) -> str:
    """The first 500 characters of a body, cleaned before it is cut, so that no half of a key survives."""
    text = redact(body[: 16 * _EXCERPT_LENGTH].decode("utf-8", "replace"))
    return text if len(text) <= _EXCERPT_LENGTH else text[: _EXCERPT_LENGTH - 1] + "…"


def _is_json_object(body: bytes) -> bool:
    try:
        return isinstance(load_json(body), dict)
    except ValueError:
        return False


def readable(body: bytes) -> str:
    """What an error body says to a person: JSON in the known shapes, HTML without its tags, plain text."""
    text = body[:65536].decode("utf-8", "replace").strip()
    try:
        said = _from_json(load_json(text))
    except ValueError:
        if "<" in text[:200]:
            text = re.sub(r"(?is)<(script|style)\b.*?</\1>|<title>.*?</title>(?=.*<h1)|<[^>]*>", " ", text)
            text = html.unescape(text)
        said = text
    return " ".join(said.split())


def _from_json(value: object) -> str:
    match value:
        case str():
            return value
        case list():
            return "; ".join(filter(None, map(_from_json, value)))
        case {"loc": list() as loc, "msg": msg}:
            return f"{'.'.join(map(str, loc))}: {msg}"
        case {"detail": detail} if detail:
            return _from_json(detail)
        case {"error": str() as error, "message": str() as message}:
            return f"{error}: {message}"
        case {"message": inner} | {"error": inner} if inner:
            return _from_json(inner)
        case None:
            return ""
    return json.dumps(value)
