"""What PostgreSQL says, read once, into errors that say what to do. None of them holds a password."""

import re
from typing import ClassVar

import psycopg
from psycopg import errors

from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.warehouse.errors import (
    WarehouseBusyError,
    WarehouseError,
    WarehouseMovedError,
    WarehouseUnwritableError,
)

# A failed connection has no code, so the text decides. A text in another language counts as an outage, and is shown.
_REFUSAL = re.compile(
    r"authentication failed|no password supplied|role .* does not exist|database .* does not exist"
    r"|no pg_hba\.conf entry|permission denied|certificate|server does not support SSL",
    re.IGNORECASE,
)
# Connection exceptions, a server that stops or starts, too many connections, a transaction that idled for too long.
_OUTAGES = re.compile(r"08...|57P0[123]|53300|25P03")


class LedgerRefusedError(WarehouseError):
    """PostgreSQL refuses this deployment: its password, its database or its rights are wrong."""

    exit_code: ClassVar[int] = 2


def is_refusal(error: psycopg.Error) -> bool:
    """Whether asking again would bring the same answer until a person changes something."""
    return isinstance(error, errors.InsufficientPrivilege) or (
        error.sqlstate is None and _REFUSAL.search(str(error)) is not None
    )


def is_outage(error: psycopg.Error) -> bool:
    """Whether the connection is lost, or can't be made now."""
    lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return lost and (error.sqlstate is None or _OUTAGES.fullmatch(error.sqlstate) is not None)


def ledger_error(error: psycopg.Error, address: PostgresAddress, seconds: float) -> WarehouseError:
    """The error to raise in place of PostgreSQL's own.

    Args:
        error: what it said.
        address: where it is.
        seconds: how long it was tried.
    """
    said = _first_line(error)
    if is_refusal(error):
        return LedgerRefusedError(
            f"the ledger (PostgreSQL at {address}) refuses this deployment: {said}. Nothing was sent to Linkt; correct "
            "the address, or the rights of its user"
        )
    if isinstance(error, errors.ObjectNotInPrerequisiteState):
        return WarehouseMovedError(f"the ledger (PostgreSQL at {address}) wrote nothing: {said}")
    if isinstance(error, errors.DiskFull):
        return WarehouseUnwritableError(
            f"the ledger (PostgreSQL at {address}) can't be written: {said}. Everything committed before is safe; free "
            "disk space there, then run the same command again"
        )
    if is_outage(error):
        return WarehouseBusyError(
            f"the ledger (PostgreSQL at {address}) can't be reached for {seconds:.0f} s and more: {said}. Start it, or "
            "mend the network between the two; then run the same command again"
        )
    kind = (
        WarehouseBusyError
        if isinstance(error, errors.DeadlockDetected | errors.SerializationFailure)
        else WarehouseError
    )
    return kind(f"the ledger (PostgreSQL at {address}) wrote nothing: {said}. Run the same command again")


def busy_error(address: PostgresAddress, holders: list[str], seconds: float) -> WarehouseBusyError:
    """The error to raise if other processes held for too long what a transaction needs."""
    who = ", ".join(holders) or "another process"
    return WarehouseBusyError(
        f"the ledger (PostgreSQL at {address}) has been held by {who} for {seconds:.0f} s and more, so nothing was "
        "written. Let that process end, or stop it; then run the same command again",
        holder=holders[0] if holders else None,
    )


def _first_line(error: psycopg.Error) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
