"""What both directions of a move ask of the two sides."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import psycopg
from psycopg import sql

from linkt_pipeline.ledger.moving import count_of, living_owners, read_from_postgres
from linkt_pipeline.moving.values import MoveRefusedError
from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.postgres.connections import DURABLE
from linkt_pipeline.postgres.migration import bring_up_to_date
from linkt_pipeline.warehouse.engines.lake.elsewhere import Elsewhere, MoveState, read_elsewhere
from linkt_pipeline.warehouse.engines.lake.filling import first_rows
from linkt_pipeline.warehouse.engines.lake.taken import TakenLake
from linkt_pipeline.warehouse.engines.lake.warehouse import LakeWarehouse
from linkt_pipeline.warehouse.errors import WarehouseBusyError
from linkt_pipeline.warehouse.queries import erasure_is_pending

_LEASED = ("linkt.ingests", "linkt.alert_channels")
_CLOCKS_APART = timedelta(seconds=10)


@contextmanager
def taken_lake(lake: LakeWarehouse) -> Iterator[TakenLake]:
    """The lake with the ledger's tables, which nobody else writes; its connection has the ledger's search path.

    Raises:
        WarehouseBusyError...: see :meth:`LakeWarehouse.taken_over`.
    """
    ledger = ledger_of_lake(lake)
    with lake.taken_over() as taken:
        postgres = taken.postgres
        postgres.execute(sql.SQL("set search_path to {}").format(sql.Identifier(ledger.schema)))
        postgres.execute(DURABLE)
        bring_up_to_date(postgres, ledger)
        yield taken


def ledger_of_lake(lake: LakeWarehouse) -> PostgresAddress:
    """Where the ledger of a lake is."""
    if lake.ledger is None:
        raise ValueError("a lake without a ledger is none of a deployment")
    return PostgresAddress(lake.ledger.address, lake.ledger.schema)


def why_not_in_use(lake: LakeWarehouse, taken: TakenLake) -> Elsewhere | None:
    """Why a lake that is made is not in use; None if it is."""
    return read_elsewhere(taken.postgres, ledger_of_lake(lake).schema)


def rows_of_users(taken: TakenLake) -> str | None:
    """What a lake holds that somebody may need, for a person; None if it holds nothing."""
    if count_of(read_from_postgres(taken.postgres)):
        return "executions of its ledger"
    if not taken.is_made:
        return None
    with taken.connected() as con:
        return first_rows(con)


def note_elsewhere(postgres: psycopg.Connection, state: MoveState, move_id: str, file: Path) -> None:
    """Take a lake out of use, or say how far the move is, in the caller's transaction."""
    postgres.execute("delete from elsewhere")
    postgres.execute(
        "insert into elsewhere (state, move_id, host, file) values (%s, %s, %s, %s)",
        [state, move_id, socket.gethostname(), str(file)],
    )


@contextmanager
def move_transaction(lake: LakeWarehouse, postgres: psycopg.Connection, move_id: str) -> Iterator[None]:
    """A transaction that may change the ledger of a lake that is not in use. It may take as long as a copy takes.

    Raises:
        WarehouseBusyError: somebody writes the ledger, or reads a catalog that is to go, for too long.
    """
    milliseconds = max(1, int(lake.lock_timeout.total_seconds() * 1000))
    try:
        with postgres.transaction():
            postgres.execute(f"set local lock_timeout = {milliseconds}")
            postgres.execute("set local idle_in_transaction_session_timeout = 0")
            postgres.execute("select set_config('linkt.move_id', %s, true)", [move_id])
            yield
    except psycopg.errors.LockNotAvailable:
        raise WarehouseBusyError(
            f"{lake.place} was read, or its ledger written, by another process for too long, so nothing was moved; let "
            "what runs end, then run the same command again"
        ) from None


def require_rest(
    con: duckdb.DuckDBPyConnection, leases: list[tuple[str | None, datetime | None]], now: datetime
) -> None:
    """Refuse while a process works on an execution, an ingest or an alert, or an erasure is not finished.

    Args:
        con: whose current database is the warehouse.
        leases: of the ledger.
        now: by the clock of the ledger.

    Raises:
        MoveRefusedError: names who works.
    """
    if erasure_is_pending(con):
        raise MoveRefusedError(
            "an erasure is not finished, so nothing was moved; `linkt-pipeline erase` finishes it where the warehouse "
            "is now"
        )
    found = set(living_owners(leases, now))
    for table in _LEASED:
        rows = con.execute(f"select lease_owner, lease_until from {table}").fetchall()  # noqa: S608
        found |= {*living_owners(rows, now)}
    if found:
        raise MoveRefusedError(
            f"nothing was moved, because processes are at work: {', '.join(sorted(found))}. Let them end, or stop "
            "them: runs that nobody waits for are moved, and adopted by the next `linkt-pipeline run`. What a killed "
            "process on another host had is free after a minute"
        )


def require_one_clock(postgres: psycopg.Connection) -> datetime:
    """Refuse if PostgreSQL's clock differs from this host's: a start without a reply is looked for by its time.

    Returns:
        The present, by PostgreSQL.

    Raises:
        MoveRefusedError: says by how much.
    """
    ((now,),) = postgres.execute("select clock_timestamp()").fetchall()
    if (apart := abs(now - datetime.now(UTC))) > _CLOCKS_APART:
        raise MoveRefusedError(
            f"PostgreSQL's clock and that of this host differ by {apart.total_seconds():.0f} s, so nothing was moved: "
            "starts are found again by their times. Set both clocks (NTP), then run the same command again"
        )
    return now.astimezone(UTC)  # type: ignore[no-any-return]
