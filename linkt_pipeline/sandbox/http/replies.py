"""Answers as the API gives them."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson
from starlette.responses import Response

from linkt_pipeline.sandbox.errors import Refusal

Row = TypeVar("Row")


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON body; ready-made JSON bytes inside are written as they are."""
    return Response(orjson.dumps(value), status, dict(headers or {}), "application/json")


def raw_reply(body: bytes) -> Response:
    """A ready-made JSON body."""
    return Response(body, media_type="application/json")


def page_reply(key: str, rows: Sequence[bytes], total: int, page: int, page_size: int, **more: Any) -> Response:
    """One page of ready-made JSON bodies under the endpoint's list key."""
    listed = orjson.Fragment(b"[" + b",".join(rows) + b"]")
    return json_reply({key: listed, **more, "total": total, "page": page, "page_size": page_size})


def cut(rows: Sequence[Row], page: int, page_size: int) -> Sequence[Row]:
    """The rows of one page."""
    return rows[(page - 1) * page_size : page * page_size]


def refusal_reply(refusal: Refusal) -> Response:
    """An error body in FastAPI's form."""
    return json_reply({"detail": refusal.detail}, refusal.status, refusal.headers)
