"""What can go wrong between the command line and the rooms below."""

import errno
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar

from linkt_pipeline.errors import ConfigError, LinktPipelineError

_DISK_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})
_SQLITE_SAYS = ("disk is full", "disk I/O error", "readonly database", "unable to open database file")
DUCKDB_INTERRUPTED = "Query interrupted"  # its error when a signal ends a query
_SQLITE_DAMAGED = ("file is not a database", "malformed", "no such table", "unsupported file format")
_TOO_FEW_BYTES = 16_000_000  # room for one more step: DuckDB's log and block, Dagster's events, a snapshot


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


class UnknownMartError(ConfigError):
    """A mart on the command line can't be audited."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = list(known)
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        guess = f"; did you mean {near[0]!r}?" if near else "."
        super().__init__(f"there is no mart {name!r} to audit{guess} Known: {', '.join(names)}")


class QueryError(LinktPipelineError):
    """DuckDB refused a query; its message names the position."""

    exit_code: ClassVar[int] = 2


class PaidButUnfinishedError(LinktPipelineError):
    """Runs were paid for and ended, but a free step after them failed: not a reason to buy again.

    Args:
        tasks: whose outcomes are owed.
        why: what failed, where that was not printed yet.
        again: the command that buys all the same; default: that of ``run``.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, tasks: Iterable[str], why: LinktPipelineError | None = None, *, again: str = "") -> None:
        names = " ".join(dict.fromkeys(tasks))
        super().__init__(
            (f"{why}\n" if why else "")
            + f"paid, but not all landed and published: the last run of {names}. Correct what failed and repeat the "
            f"same command: it finishes this and buys nothing. To buy a new run all the same: "
            f"{again or f'linkt-pipeline run --again {names}'}"
        )


class PortTakenError(ConfigError):
    """Another program listens on the port."""


class HandOverError(LinktPipelineError):
    """The deployment can't take a run, or does not answer how the run goes. The message says if one was launched."""


class NoDeploymentError(HandOverError):
    """Nothing was launched: there is no web server, no code location, no daemon or no such task."""

    exit_code: ClassVar[int] = 2


class StoppedFollowing(KeyboardInterrupt):
    """Ctrl-C while the work goes on without this process. The text says so."""


class UnguardedUiError(LinktPipelineError):
    """Dagster's web server answers to every name, so it would obey any web page."""

    def __init__(self) -> None:
        super().__init__(
            "this version of Dagster starts its web server in a way that linkt-pipeline can't guard, so any web page "
            "in your browser could start paid runs; the server was stopped. Install the Dagster that "
            "requirements.lock names"
        )


class DiskError(LinktPipelineError):
    """The disk is full, read-only or failing, as the operating system or Dagster's own SQLite files say.

    Args:
        said: in whose words.
        folder: of the deployment, or where it would be; how full its disk is belongs to the message, because SQLite
            calls a full disk an I/O error. Left out of it where the folder is unknown or can't be looked at.
    """

    def __init__(self, said: str, folder: Path | None) -> None:
        what, room = "a file can't be read or written", ""
        with suppress(OSError):
            if folder is not None:
                present = next(place for place in (folder, *folder.parents) if place.exists())
                disk = shutil.disk_usage(present)
                what = "the disk is full" if disk.free < _TOO_FEW_BYTES else what
                room = f" {folder} has {disk.free / 1e6:,.1f} of {disk.total / 1e6:,.1f} MB free."
        super().__init__(
            f"{what}: {said}.{room} What was committed is safe; make room or fix permissions there, then "
            "`linkt-pipeline sync`"
        )


class HistoryError(LinktPipelineError):
    """A file of Dagster's history is damaged. It holds no row of Linkt's and no entry of the ledger.

    Args:
        said: in SQLite's words.
        folder: of the deployment.
    """

    def __init__(self, said: str, folder: Path | None) -> None:
        super().__init__(
            f"Dagster's history in {folder or 'LINKT_DATA_DIR'} can't be used: {said}. It holds neither rows nor the "
            "ledger, which are in the warehouse. Move the folders history and schedules there aside, or restore them "
            "from a backup, then repeat the command; Dagster starts a new history"
        )


def disk_error(error: BaseException | None, folder: Path | None) -> DiskError | HistoryError | None:
    """What a failure, or one of its causes, says about the disk or about Dagster's files on it; None if nothing.

    Args:
        error: the failure.
        folder: LINKT_DATA_DIR, absolute; ``None`` where it is unknown.
    """
    while error is not None:
        cause = getattr(error, "orig", None) or error  # SQLAlchemy's wrapping of what the driver raised
        if isinstance(cause, OSError) and cause.errno in _DISK_ERRNOS:
            said = f"{cause.strerror} ({cause.filename})" if cause.filename else str(cause.strerror)
            return DiskError(said, folder)
        if isinstance(cause, sqlite3.OperationalError) and any(said in str(cause) for said in _SQLITE_SAYS):
            return DiskError(f"{cause} (in Dagster's history)", folder)
        if isinstance(cause, sqlite3.DatabaseError) and any(said in str(cause) for said in _SQLITE_DAMAGED):
            return HistoryError(str(cause), folder)
        error = error.__cause__ or error.__context__
    return None


def exit_code_of(error: LinktPipelineError) -> int:
    """The command's exit code for an error.

    In the rooms below, an API error says only what happened. Here a person has typed the key, the host and the id, so
    an error about one of these is wrong configuration or usage.
    """
    from linkt_pipeline.api import (
        AuthenticationError,
        ForeignNotFoundError,
        InvalidIdError,
        PermissionDeniedError,
        RequestNotSentError,
        UnexpectedRedirectError,
    )

    of_the_key = AuthenticationError | PermissionDeniedError
    of_the_host = RequestNotSentError | ForeignNotFoundError | UnexpectedRedirectError
    return 2 if isinstance(error, of_the_key | of_the_host | InvalidIdError) else error.exit_code
