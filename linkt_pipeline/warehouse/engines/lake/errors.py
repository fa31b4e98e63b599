"""Errors of PostgreSQL, of DuckLake and of a bucket, read once, into errors that say what to do and hold no password.

Nearly none has a class for what happened, so the text decides.
"""

import re

import duckdb

from linkt_pipeline.redaction import redact
from linkt_pipeline.warehouse.duckdb_errors import is_unwritable
from linkt_pipeline.warehouse.errors import (
    CatalogRefusedError,
    CatalogUnreachableError,
    LakeFilesMissingError,
    TurnLostError,
    WarehouseError,
    WarehouseUnwritableError,
)

_REFUSED = re.compile(
    r"authentication failed|no password supplied|role .* does not exist|database .* does not exist|no pg_hba\.conf"
    r"|permission denied for|does not match existing data path|does not support SSL|certificate",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"Unable to connect to Postgres|connection (?:refused|timed? ?out|is bad|is closed|failed|to server)|server closed"
    r"|terminating connection|no connection to the server|the connection is (?:lost|closed)|SSL SYSCALL"
    r"|could not (?:receive|send|translate)|shutting down|starting up|in recovery|too many (?:clients|connections)",
    re.IGNORECASE,
)
_STORE_AWAY = re.compile(r"error for HTTP [A-Z]+ to")
_CONFLICT = re.compile(r"Transaction conflict|Failed to commit DuckLake transaction")


def is_passing(error: Exception) -> bool:
    """Whether PostgreSQL may answer in a moment: it is away, starting or full."""
    text = str(error)
    return not _REFUSED.search(text) and _UNREACHABLE.search(text) is not None


def lake_error(error: Exception, place: str) -> WarehouseError | None:
    """The error to raise in place of PostgreSQL's or DuckDB's; None if there is no better one."""
    text = _first_line(str(error))
    if isinstance(error, duckdb.HTTPException) and 400 <= error.status_code < 500:
        return LakeFilesMissingError(
            f"{place}: the store of its files refuses: {text}. Nothing of this step was kept, all before it is safe. "
            "Correct LINKT_LAKE_PATH, the variables AWS_*, or the rights of their key in the bucket, then run the same "
            "command again"
        )
    if isinstance(error, duckdb.HTTPException) or _STORE_AWAY.search(text):
        return CatalogUnreachableError(
            f"{place}: the store of its files does not answer: {text}. Nothing of this step was kept, all before it is "
            "safe. Mend the way to it, or AWS_ENDPOINT_URL; then run the same command again"
        )
    if _REFUSED.search(text):
        return CatalogRefusedError(
            f"{place} can't be used: {text}. Correct LINKT_CATALOG or LINKT_LAKE_PATH, or the rights of its user in "
            "PostgreSQL; nothing was read or written"
        )
    if _CONFLICT.search(str(error)):
        return turn_lost(place)
    if _UNREACHABLE.search(str(error)):
        return CatalogUnreachableError(
            f"{place} does not answer: {text}. This step is kept whole or not at all, all before it is safe. Start "
            "PostgreSQL, or mend the way to it; then run the same command again"
        )
    if is_unwritable(error):
        return WarehouseUnwritableError(
            f"{place} can't be written: {text}. Everything committed before is safe and this change was rolled back; "
            "free disk space or fix the permissions of LINKT_LAKE_PATH, then run the same command again"
        )
    return None


def turn_lost(place: str) -> TurnLostError:
    """Somebody else may write by now."""
    return TurnLostError(
        f"{place}: the connection to PostgreSQL that held the turn to write was lost, so somebody else may write by "
        "now. Nothing of this step was kept, all before it is safe; run the same command again"
    )


def _first_line(text: str) -> str:
    return redact(text.strip().splitlines()[0]) if text.strip() else "no reason given"
