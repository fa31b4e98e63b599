"""DuckDB's error texts, read once, into errors that say what to do.

DuckDB 1.5 has one exception class for "locked", "full", "no such file" and "damaged", so the text decides.
"""

import re
from pathlib import Path

import duckdb

from linkt_pipeline.warehouse.errors import (
    NewerWarehouseError,
    NotAWarehouseError,
    WarehouseBusyError,
    WarehouseError,
    WarehouseUnwritableError,
)

_LOCKED = re.compile(r"Could not set lock on file|Conflicting lock is held")
_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_OTHER_HANDLE = re.compile(r"with a different configuration than existing connections|Unique file handle conflict")
_NOT_DUCKDB = re.compile(
    r"not a valid DuckDB database file|Corrupt database file|Could not read enough bytes|Is a directory"
)
_NEWER_FORMAT = re.compile(r"database file with version number (\d+)|newer version of DuckDB|storage version", re.I)
_UNWRITABLE = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|Permission denied|Input/output error"
    r"|Could not write|Could not truncate|Could not create|Cannot open file|Failed to create directory",
    re.IGNORECASE,
)


def is_lock_conflict(error: BaseException) -> bool:
    """Whether another process holds the file: the one thing worth waiting for."""
    return isinstance(error, duckdb.IOException) and _LOCKED.search(str(error)) is not None


def opening_error(error: Exception, path: Path, waited_seconds: float) -> WarehouseError | None:
    """The error to raise when ``path`` could not be opened; None when there is no better one than DuckDB's."""
    text = str(error)
    if is_lock_conflict(error):
        return _busy(text, path, waited_seconds)
    if _OTHER_HANDLE.search(text):
        return WarehouseBusyError(
            f"{path} is already open in this process outside of the pipeline's own connection; close that DuckDB "
            "connection, or open the published snapshot instead (published/warehouse.duckdb beside the warehouse)"
        )
    if _NEWER_FORMAT.search(text):
        return NewerWarehouseError(
            f"{path} was written by a newer DuckDB than the {duckdb.__version__} installed here ({_first_line(text)}); "
            "install the DuckDB version that wrote it, or choose another LINKT_DATA_DIR"
        )
    if _NOT_DUCKDB.search(text):
        return NotAWarehouseError(
            f"{path} is not a DuckDB database, or a damaged one ({_first_line(text)}); nothing was changed. Put a "
            "backup in its place (published/warehouse.duckdb beside it is a whole copy), or set LINKT_DATA_DIR to "
            "another folder for a new warehouse, which does not know the runs bought so far"
        )
    return unwritable_error(error, path)


def is_unwritable(error: Exception) -> bool:
    """Whether the disk refused: it is full, or may not be written."""
    if isinstance(error, OSError):
        return True
    if isinstance(error, duckdb.OutOfMemoryException):
        return "failed to offload" in str(error)
    # DuckDB's other errors are about SQL and values, and quote them.
    may_be = isinstance(error, duckdb.OperationalError | duckdb.FatalException)
    return may_be and _UNWRITABLE.search(_first_line(str(error))) is not None


def unwritable_error(error: Exception, path: Path) -> WarehouseUnwritableError | None:
    """The error to raise when the disk refused; None when it was something else."""
    if not is_unwritable(error):
        return None
    return WarehouseUnwritableError(
        f"{path} can't be written: {_first_line(str(error))}. Everything committed before is safe and this change was "
        "rolled back; free disk space or fix the permissions of the folder, then run the same command again"
    )


def sql_failure(error: duckdb.Error) -> tuple[str, str]:
    """Why the SQL of a model failed, and what its author can do about it: the beginning of a sentence."""
    if is_unwritable(error):
        return _first_line(str(error)), "Free disk space, or fix the permissions of the warehouse's folder,"
    if isinstance(error, duckdb.OutOfMemoryException):  # its other lines speak of settings that are not theirs
        return _first_line(str(error)), (
            "It needs more memory than DuckDB may use here: joins, sorts and groups go to disk beyond that, but what "
            "list(), string_agg() and their like gather does not. Gather fewer or shorter values, or in two steps,"
        )
    return (
        str(error).strip(),
        "Correct the SQL (`linkt-pipeline models --check` tries all models without running them)",
    )


def _busy(text: str, path: Path, waited_seconds: float) -> WarehouseBusyError:
    found = _HOLDER.search(text)
    holder = found["program"] if found else None
    pid = int(found["pid"]) if found else None
    who = f"{Path(holder).name} (PID {pid})" if holder else "another process"
    return WarehouseBusyError(
        f"{path} has been held by {who} for {waited_seconds:.0f} s and more, so nothing was read or written. Close "
        "that program, or point it at the published snapshot instead, which is never locked "
        "(published/warehouse.duckdb beside the warehouse); then run the same command again",
        holder=holder,
        pid=pid,
    )


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
