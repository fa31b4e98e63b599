"""Brings the tables of a warehouse to the version this code knows.

Migrations are the files ``migrations/NNNN_name.sql``, applied in order and recorded in ``linkt.schema_migrations``,
each in one transaction. Two processes that start at once are kept apart by the file's own lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb

from linkt_pipeline.warehouse.errors import NewerWarehouseError


@dataclass(frozen=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Every migration this code knows, oldest first."""
    folder = resources.files("linkt_pipeline.warehouse") / "migrations"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return tuple(
        Migration(int(entry.name[:4]), entry.name[5:].removesuffix(".sql"), entry.read_text(encoding="utf-8"))
        for entry in files
    )


def latest_version() -> int:
    """Version of the schema after all migrations."""
    return migrations()[-1].version


def schema_version(con: duckdb.DuckDBPyConnection) -> int:
    """Version of the schema in the file; 0 when there is none yet."""
    try:
        row = con.execute("select coalesce(max(version), 0) from linkt.schema_migrations").fetchone()
    except duckdb.CatalogException:
        return 0
    return int(row[0]) if row else 0


def needs_migration(con: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """Whether the file is behind this code, or a published copy that was put in a warehouse's place.

    Raises:
        NewerWarehouseError: it is ahead.
    """
    found = schema_version(con)
    if found > latest_version():
        raise NewerWarehouseError(
            f"{path} has schema version {found}, written by a newer linkt-pipeline; this one knows versions up to "
            f"{latest_version()}. Upgrade linkt-pipeline, or choose another LINKT_DATA_DIR"
        )
    return found < latest_version() or bool(_frozen_views(con))


def migrate(con: duckdb.DuckDBPyConnection) -> None:
    """Apply what is missing, each migration in a transaction of its own."""
    before = schema_version(con)
    for migration in migrations():
        if migration.version <= before:
            continue
        with _transaction(con):
            con.execute(migration.sql)
            con.execute(
                "insert into linkt.schema_migrations (version, name, applied_at) values (?, ?, current_timestamp)",
                [migration.version, migration.name],
            )
    for view in _frozen_views(con):
        with _transaction(con):
            con.execute(f"drop table linkt.{view}")
            con.execute(next(migration.sql for migration in migrations() if migration.name == _VIEWS[view]))


_VIEWS = {"run_costs": "run_costs"}  # by the name of the migration that makes them, and nothing else


def _frozen_views(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Views that are tables in this file, as in a published copy: their rows would stay those of that day for ever."""
    rows = con.execute(
        "select table_name from duckdb_tables() "
        "where database_name = current_database() and schema_name = 'linkt' and table_name in (select unnest($1))",
        [list(_VIEWS)],
    ).fetchall()
    return [name for (name,) in rows]


@contextmanager
def _transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    con.execute("begin transaction")
    try:
        yield
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise


@contextmanager
def empty_warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse in memory without a row: for what needs to know its tables but not their content."""
    con = duckdb.connect()
    try:
        migrate(con)
        yield con
    finally:
        con.close()
