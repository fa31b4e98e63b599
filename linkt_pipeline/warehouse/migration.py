"""Brings the tables of a warehouse to the version this code knows.

Migrations are the files ``migrations/NNNN_name.sql``, applied in order and recorded in ``linkt.schema_migrations``,
each in one transaction. Two processes that start at once are kept apart by the file's own lock.

Views are the files ``views/name.sql``, the only place where each is defined. They are made anew with the last missing
migration, so a change to a view needs a migration beside it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb

from linkt_pipeline.warehouse.errors import NewerWarehouseError
from linkt_pipeline.warehouse.state import note_change


@dataclass(frozen=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Every migration this code knows, oldest first."""
    return tuple(Migration(int(name[:4]), name[5:], sql) for name, sql in _sql_files("migrations").items())


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
    """Apply what is missing, each migration in a transaction of its own, and make the views in the last of them."""
    missing = [migration for migration in migrations() if migration.version > schema_version(con)]
    for migration in missing:
        with _transaction(con):
            con.execute(migration.sql)
            con.execute(
                "insert into linkt.schema_migrations (version, name, applied_at) values (?, ?, current_timestamp)",
                [migration.version, migration.name],
            )
            if migration is missing[-1]:
                _finish(con)
    if not missing:
        with _transaction(con):
            _finish(con)


def _finish(con: duckdb.DuckDBPyConnection) -> None:
    _make_views(con)
    note_change(con)


def _make_views(con: duckdb.DuckDBPyConnection) -> None:
    for view in _frozen_views(con):
        con.execute(f"drop table linkt.{view}")
    for sql in _sql_files("views").values():
        con.execute(sql)


@cache
def _sql_files(folder: str) -> Mapping[str, str]:
    """Text of each SQL file beside this code, by its name without the ending, in the order of the names."""
    entries = (resources.files("linkt_pipeline.warehouse") / folder).iterdir()
    texts = {entry.name: entry.read_text(encoding="utf-8") for entry in entries if entry.name.endswith(".sql")}
    return {name.removesuffix(".sql"): texts[name] for name in sorted(texts)}


def _frozen_views(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Views that are tables in this file, as in a published copy: their rows would stay those of that day for ever."""
    rows = con.execute(
        "select table_name from duckdb_tables() "
        "where database_name = current_database() and schema_name = 'linkt' and table_name in (select unnest($1))",
        [list(_sql_files("views"))],
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
