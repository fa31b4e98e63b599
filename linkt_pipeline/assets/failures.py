"""How a step fails: by Dagster's ``Failure`` where the user can act on it, else by the exception that nobody foresaw.

A reader of a Dagster run's events, in this process or through a web server, distinguishes the two by that alone.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

import dagster as dg

from linkt_pipeline.errors import LinktPipelineError

P = ParamSpec("P")
T = TypeVar("T")


def fails_in_plain_words(compute: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """The body of a step whose errors become Dagster's ``Failure``, with their own message and their cause."""

    @wraps(compute)  # Dagster reads the annotation of ``config``
    def step(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        try:
            yield from compute(*args, **kwargs)
        except LinktPipelineError as error:
            raise dg.Failure(description=str(error)) from error

    return step
