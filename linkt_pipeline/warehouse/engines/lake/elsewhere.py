"""A lake that is not in use: a warehouse is being moved into it, or was moved away. Its PostgreSQL says so.

The row lies beside the ledger. Whoever begins a transaction, of the lake or of the ledger, looks for it. A move
changes it while nobody else has the turn to write.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import psycopg
from psycopg import errors, sql

from linkt_pipeline.warehouse.errors import WarehouseMovedError

COLUMNS = "state, move_id, host, file, since"


class MoveState(StrEnum):
    """How far a move has come."""

    INCOMING = "incoming"  # from a file, which is in use until the move has ended
    PROVEN = "proven"  # from a file; the lake holds all of it, and the file may be set aside already
    LEAVING = "leaving"  # to a file, which holds all of it and is not in its place yet, or nobody has said so
    LEFT = "left"  # to a file, which is in its place


@dataclass(frozen=True)
class Elsewhere:
    """Why a lake is not in use.

    Attributes:
        state: see :class:`MoveState`.
        move_id: of the move.
        host: on which the file is.
        file: the warehouse from which, or to which, the move goes.
        since: when this state began.
    """

    state: MoveState
    move_id: str
    host: str
    file: str
    since: datetime

    @classmethod
    def of(cls, state: str, move_id: str, host: str, file: str, since: datetime) -> "Elsewhere":
        """From the columns of the row, in the order of :data:`COLUMNS`."""
        return cls(MoveState(state), move_id, host, file, since.astimezone(UTC))


def read_elsewhere(con: psycopg.Connection, schema: str) -> Elsewhere | None:
    """The row; None if the lake is in use, or was never used.

    Args:
        con: a connection in autocommit mode, or a transaction that has the ledger's tables.
        schema: of the ledger.
    """
    query = sql.SQL(f"select {COLUMNS} from {{}}").format(  # noqa: S608
        sql.Identifier(schema, "elsewhere")
    )
    try:
        row = con.execute(query).fetchone()
    except errors.UndefinedTable:
        return None
    return Elsewhere.of(*row) if row else None


def elsewhere_error(place: str, found: Elsewhere) -> WarehouseMovedError:
    """The error to raise where a lake is asked for that is not in use.

    Args:
        place: of the lake or its ledger, for people.
        found: why it is not in use.
    """
    since = f"{found.since:%Y-%m-%d %H:%M:%S} UTC"
    if found.state is MoveState.LEFT:
        return WarehouseMovedError(
            f"{place} was left at {since}: the warehouse was moved to {found.file} on {found.host}, with its open "
            "runs. Nothing was read or sent. Unset LINKT_CATALOG and LINKT_LAKE_PATH there to use it; on every other "
            "host stop what runs. `linkt-pipeline move --to lake` on that host brings it back"
        )
    if found.state is MoveState.LEAVING:
        return WarehouseMovedError(
            f"{place} was left at {since}: a move to {found.file} on {found.host} is not finished. Nothing was read or "
            "sent. Let it end, or finish it on that host: linkt-pipeline move --to file"
        )
    return WarehouseMovedError(
        f"{place} is not complete: a move of {found.file} from {found.host} was begun at {since} and is not finished. "
        "Nothing was read or sent. Let it end, or finish it on that host: linkt-pipeline move --to lake"
    )
