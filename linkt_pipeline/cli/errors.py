"""What can go wrong between the command line and the rooms below."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

from linkt_pipeline.errors import ConfigError, LinktPipelineError


class UnknownTaskError(ConfigError):
    """A task on the command line is not in tasks.yaml."""

    def __init__(self, name: str, known: Iterable[str], tasks_file: object) -> None:
        names = list(known)
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        guess = f"; did you mean {near[0]!r}?" if near else "."
        super().__init__(f"there is no task {name!r} in {tasks_file}{guess} Known: {', '.join(names)}")


class NoTasksError(ConfigError):
    """tasks.yaml does not exist, so there is nothing to run."""

    def __init__(self, tasks_file: object) -> None:
        super().__init__(f"there is no {tasks_file}; write it with: linkt-pipeline tasks pull")


class QueryError(LinktPipelineError):
    """DuckDB refused a query; its message names the position."""

    exit_code: ClassVar[int] = 2


class NothingPublishedError(LinktPipelineError):
    """There is no snapshot to ask yet."""

    exit_code: ClassVar[int] = 2

    def __init__(self, snapshot: object, *, sandbox: bool) -> None:
        command = "linkt-pipeline demo" if sandbox else "linkt-pipeline run TASK` or `linkt-pipeline sync"
        super().__init__(f"nothing is published yet: {snapshot} does not exist. `{command}` makes it")


class PortTakenError(ConfigError):
    """Another program listens on the port."""


def exit_code_of(error: LinktPipelineError) -> int:
    """The command's exit code for an error.

    Below, an API error says only what happened. Here it is known that a person typed the key, the host and the id,
    so what the API says about these is wrong configuration or usage.
    """
    from linkt_pipeline.api import AuthenticationError, InvalidIdError, PermissionDeniedError, RequestNotSentError

    if isinstance(error, AuthenticationError | PermissionDeniedError | RequestNotSentError | InvalidIdError):
        return 2
    return error.exit_code
