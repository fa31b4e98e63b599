"""Brings the schema of a ledger to the version this code knows.

Each file ``migrations/NNNN_name.sql`` is applied once, in the order of their numbers, in a transaction of its own.
Hosts that begin at one moment take turns by a lock of PostgreSQL.
"""

import psycopg
from psycopg import sql

from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.warehouse.errors import NewerWarehouseError
from linkt_pipeline.warehouse.sql_texts import migrations_of

_LOCK = 5_494_022_181_463_311  # of this schema's migrations, among the advisory locks of the database
_MAKE = """
create table if not exists migrations (
    version integer primary key,
    name text not null,
    applied_at timestamptz not null default clock_timestamp()
);
"""


def bring_up_to_date(con: psycopg.Connection, address: PostgresAddress) -> None:
    """Make the tables, or apply what is missing.

    Args:
        con: a connection without a transaction, whose search path is the schema.
        address: database and schema.

    Raises:
        NewerWarehouseError: a newer version of this product wrote it.
        psycopg.Error: it can't be done; what was applied before stays.
    """
    steps = migrations_of("linkt_pipeline.postgres")
    latest = steps[-1].version
    found = _version(con)
    if found > latest:
        raise NewerWarehouseError(
            f"the ledger (PostgreSQL at {address}) has schema version {found}, written by a newer linkt-pipeline; this "
            f"one knows versions up to {latest}. Upgrade linkt-pipeline on this host"
        )
    while found < latest:
        with con.transaction():
            con.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
            con.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(address.schema)))
            con.execute(_MAKE)
            found = _version(con)  # another host may have been quicker
            if step := next((each for each in steps if each.version > found), None):
                con.execute(step.sql)
                con.execute("insert into migrations (version, name) values (%s, %s)", [step.version, step.name])
                found = step.version


def _version(con: psycopg.Connection) -> int:
    """The last step that was applied; 0 where there is none."""
    row = con.execute("select to_regclass('migrations') is not null").fetchone()
    if row is None or not row[0]:
        return 0
    row = con.execute("select coalesce(max(version), 0) from migrations").fetchone()
    return int(row[0]) if row else 0
