"""Which moment of a lake is published: readers attach the lake at it, and maintenance spares it.

The record comes after the snapshot that it names. Whoever looks for it attaches the lake as it is now.
"""

from datetime import datetime

import duckdb

from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.descriptions import SCHEMA
from linkt_pipeline.warehouse.running_duckdb import CATALOG

_TABLE = f"{SCHEMA}.published"


def create_published(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table, in a lake that has none."""
    con.execute(f"create table {_TABLE} (snapshot_id bigint not null, as_of timestamptz not null)")


def current_snapshot(con: duckdb.DuckDBPyConnection) -> int:
    """The snapshot that a transaction reads."""
    ((snapshot,),) = con.execute(f"select id from ducklake_current_snapshot({literal(CATALOG)})").fetchall()  # noqa: S608
    return int(snapshot)


def note_snapshot(con: duckdb.DuckDBPyConnection, snapshot: int, as_of: datetime) -> None:
    """Record what is published, in place of what was.

    Of two hosts that publish at one moment, the one with the later snapshot is recorded, whoever is done first. A
    snapshot that an erasure has given up meanwhile is not.
    """
    is_there = f"from ducklake_snapshots({literal(CATALOG)}) where snapshot_id = $1"
    if not con.execute(is_there, [snapshot]).fetchone() or (published_snapshot(con) or 0) > snapshot:
        return
    con.execute(f"delete from {_TABLE}")  # noqa: S608
    con.execute(f"insert into {_TABLE} values ($1, $2)", [snapshot, as_of])  # noqa: S608


def published_snapshot(con: duckdb.DuckDBPyConnection) -> int | None:
    """The snapshot that is published; None if none is."""
    row = con.execute(f"select snapshot_id from {_TABLE}").fetchone()  # noqa: S608
    return int(row[0]) if row else None


def forget_snapshot(con: duckdb.DuckDBPyConnection) -> None:
    """What was published can no longer be read in the lake."""
    con.execute(f"delete from {_TABLE}")  # noqa: S608
