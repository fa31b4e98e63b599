"""Errors of the sandbox: what a user of it can do wrong, and what its API refuses."""

from collections.abc import Mapping
from typing import Any, ClassVar

from linkt_pipeline.errors import LinktPipelineError


class SandboxError(LinktPipelineError):
    """The sandbox can't be started, reached or stopped."""


class FaultSpecError(SandboxError):
    """A fault is written in a form the sandbox does not know."""

    exit_code: ClassVar[int] = 2


class Refusal(Exception):  # noqa: N818 an answer, not a mistake
    """A request the API answers with an error status; becomes a ``{"detail": ...}`` body, as FastAPI writes them.

    Attributes:
        status: the HTTP status.
        detail: text, or the list of field problems of a 422.
        headers: further response headers.
    """

    def __init__(self, status: int, detail: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def not_found(what: str) -> Refusal:
    """The 404 for one kind of thing, such as ``Run``."""
    return Refusal(404, f"{what} not found")


def invalid(kind: str, loc: tuple[str | int, ...], message: str, value: Any, **context: Any) -> Refusal:
    """The 422 for one field, in FastAPI's form."""
    problem = {"type": kind, "loc": list(loc), "msg": message, "input": value}
    return Refusal(422, [problem | ({"ctx": context} if context else {})])
