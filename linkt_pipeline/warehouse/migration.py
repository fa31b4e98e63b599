"""Brings the tables of a warehouse to the version this code knows.

A new warehouse is made from the definition of the tables (tables.py) in one step. An older one is brought up to date by
the files ``migrations/NNNN_name.sql``, applied in order, each in one transaction; they say what to do with its rows.
Both ways are recorded in ``linkt.schema_migrations`` and lead to the same tables. Two processes that start at once are
kept apart by the engine.

Descriptions come from the definition too, and views from the files ``views/name.sql``. Both are brought up to date with
the last step, so changing one of them needs a migration beside it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import duckdb

from linkt_pipeline.warehouse.catalog import describe, read_catalog, relation_kind
from linkt_pipeline.warehouse.descriptions import has_descriptions
from linkt_pipeline.warehouse.errors import NewerWarehouseError
from linkt_pipeline.warehouse.sql_texts import Migration, migrations_of, sql_texts
from linkt_pipeline.warehouse.state import note_change
from linkt_pipeline.warehouse.table import SCHEMA
from linkt_pipeline.warehouse.tables import TABLES, VIEWS

_ROOM = "linkt_pipeline.warehouse"


def migrations() -> tuple[Migration, ...]:
    """The migrations of all older versions that can be brought up to date, oldest first."""
    return migrations_of(_ROOM)


def latest_version() -> int:
    """Version of the schema after all migrations."""
    return migrations()[-1].version


def schema_version(con: duckdb.DuckDBPyConnection) -> int:
    """Version of the schema in a database; 0 when there is none yet."""
    try:
        row = con.execute("select coalesce(max(version), 0) from linkt.schema_migrations").fetchone()
    except duckdb.CatalogException:
        return 0
    return int(row[0]) if row else 0


def needs_migration(con: duckdb.DuckDBPyConnection, place: str) -> bool:
    """Whether a warehouse is older than this code, or is a published copy that was put in a warehouse's place.

    Args:
        con: the warehouse.
        place: where it is, for people.

    Raises:
        NewerWarehouseError: it is newer than this code.
    """
    found = schema_version(con)
    if found > latest_version():
        raise NewerWarehouseError(
            f"{place} has schema version {found}, written by a newer linkt-pipeline; this one knows versions up to "
            f"{latest_version()}. Upgrade linkt-pipeline, or choose another LINKT_DATA_DIR"
        )
    return found < latest_version() or bool(_frozen_views(con))


Transaction = Callable[[duckdb.DuckDBPyConnection], AbstractContextManager[None]]
"""One transaction of a connection: committed at the end, rolled back on any exception."""


@contextmanager
def _plain_transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    con.execute("begin transaction")
    try:
        yield
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise


def create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create schema ``linkt`` with all tables, without a row."""
    con.execute(f"create schema if not exists {SCHEMA}")
    for table in TABLES:
        con.execute(table.creation())


def migrate(
    con: duckdb.DuckDBPyConnection,
    transaction: Transaction = _plain_transaction,
    create: Callable[[duckdb.DuckDBPyConnection], None] = create_tables,
) -> None:
    """Create all tables, or apply the migrations that are missing, each in a transaction of its own.

    Args:
        con: the warehouse; nobody else writes meanwhile.
        transaction: how its engine begins and ends one.
        create: how its engine makes the tables.
    """
    found = schema_version(con)
    if not found:
        with transaction(con):
            create(con)
            _note(con, latest_version(), "created")
            _finish(con)
        return
    missing = [migration for migration in migrations() if migration.version > found]
    for migration in missing:
        with transaction(con):
            con.execute(migration.sql)
            _note(con, migration.version, migration.name)
            if migration is missing[-1]:
                _finish(con)
    if not missing:
        with transaction(con):
            _finish(con)


def _note(con: duckdb.DuckDBPyConnection, version: int, name: str) -> None:
    con.execute(
        "insert into linkt.schema_migrations (version, name, applied_at) values (?, ?, current_timestamp)",
        [version, name],
    )


def _finish(con: duckdb.DuckDBPyConnection) -> None:
    make_views(con)
    _describe(con)
    note_change(con)


def _describe(con: duckdb.DuckDBPyConnection) -> None:
    defined = {each.relation: each for each in (*TABLES, *VIEWS)}
    apart = has_descriptions(con)
    for found in read_catalog(con):
        if wanted := defined.get(found.key):
            columns = {column.name: column.description for column in wanted.columns}
            describe(con, found, wanted.description, columns, apart=apart)


def make_views(con: duckdb.DuckDBPyConnection) -> None:
    """Make the views of schema ``linkt``, in place of those or of the tables that have their names."""
    for view in _frozen_views(con):
        con.execute(f"drop table linkt.{view}")
    for sql in sql_texts(_ROOM, "views").values():
        con.execute(sql)


def _frozen_views(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Views that are tables in this file, as in a published copy: their rows would stay those of that day for ever."""
    return [view for view in sql_texts(_ROOM, "views") if relation_kind(con, SCHEMA, view) == "table"]


@contextmanager
def empty_warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse in memory without a row: for what needs to know its tables but not their content."""
    con = duckdb.connect()
    try:
        migrate(con)
        yield con
    finally:
        con.close()
