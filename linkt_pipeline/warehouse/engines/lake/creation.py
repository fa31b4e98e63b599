"""Makes a lake: its catalog, what this engine keeps in it, and the tables."""

import duckdb
import psycopg
from psycopg import sql

from linkt_pipeline.warehouse.catalog import literal, quoted, relation_kind
from linkt_pipeline.warehouse.descriptions import SCHEMA as OF_THE_LAKE
from linkt_pipeline.warehouse.descriptions import create_descriptions, has_descriptions
from linkt_pipeline.warehouse.engines.lake.engine import LakeEngine, first_file
from linkt_pipeline.warehouse.engines.lake.fence import create_fence
from linkt_pipeline.warehouse.engines.lake.place import LakePlace
from linkt_pipeline.warehouse.engines.lake.published import create_published
from linkt_pipeline.warehouse.errors import LakeFilesOfOthersError
from linkt_pipeline.warehouse.migration import Transaction, migrate, schema_version
from linkt_pipeline.warehouse.running_duckdb import CATALOG
from linkt_pipeline.warehouse.table import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    JSON,
    MOMENT,
    SCHEMA,
    TEXT,
    TEXTS,
    Column,
)
from linkt_pipeline.warehouse.tables import TABLES

# Linkt repeats itself so much that ZSTD keeps its JSON in a fraction of the space. Files and row groups are small
# enough to be merged within the memory that DuckDB gets.
_OPTIONS = {"parquet_compression": "zstd", "target_file_size": "64MB", "parquet_row_group_size_bytes": "16MB"}
_BLANK = {
    TEXT: "''",
    TEXTS: "[]",
    JSON: "'{}'",
    INTEGER: "0",
    BIGINT: "0",
    DOUBLE: "0",
    BOOLEAN: "false",
    DATE: "'epoch'",
    MOMENT: "'epoch'",
}


def is_made(place: LakePlace, con: psycopg.Connection) -> bool:
    """Whether :func:`make_lake` came to its end once.

    Args:
        place: of the lake.
        con: to the database of its catalog.
    """
    if con.execute("select to_regclass(%s)", [f"{place.schema}.ducklake_schema"]).fetchone() == (None,):
        return False
    schemas = sql.Identifier(place.schema, "ducklake_schema")
    query = sql.SQL("select 1 from {} where schema_name = %s and end_snapshot is null").format(schemas)
    return con.execute(query, [OF_THE_LAKE]).fetchone() is not None


def catalog_id(place: LakePlace, con: psycopg.Connection) -> int | None:
    """A number that no other catalog has, not even one that is made later in the same place; None: there is none."""
    found = con.execute("select oid from pg_namespace where nspname = %s", [place.schema]).fetchone()
    return None if found is None else int(found[0])


def answers(con: psycopg.Connection) -> None:
    """A question that every PostgreSQL can answer."""
    con.execute("select 1")


def require_no_files(place: LakePlace) -> None:
    """Make no lake over the files of another one: maintenance of either would remove the files of the other.

    Raises:
        LakeFilesOfOthersError: there are some.
    """
    if found := first_file(place):
        raise LakeFilesOfOthersError(
            f"{place}: the lake is not made yet, but its place has files already, such as {found}. They may be of a "
            "lake in another database, and maintenance of one lake removes the files of the other, so nothing was "
            "read or written. Correct LINKT_CATALOG or LINKT_LAKE_PATH; remove the files only if nobody needs them"
        )


def make_lake(engine: LakeEngine) -> None:
    """Make the catalog and what this engine keeps in the lake. The caller must have the turn.

    Two hosts that made a catalog at one moment would fail. Nothing is done if another host was faster, and what a
    killed process began is finished.
    """
    con = engine.connect(create=True)
    try:
        con.execute("rollback; begin transaction")
        if not has_descriptions(con):
            con.execute(f"create schema {OF_THE_LAKE}")
            create_fence(con)
            create_descriptions(con)
            create_published(con)
            for name, value in _OPTIONS.items():
                con.execute(f"call ducklake_set_option({literal(CATALOG)}, {literal(name)}, {literal(value)})")
        con.execute("commit")
    finally:
        con.close()


def bring_up_to_date(con: duckdb.DuckDBPyConnection, transaction: Transaction) -> None:
    """Make the tables, or apply the migrations that a lake lacks. The caller must have the turn.

    Args:
        con: the lake.
        transaction: one that passes the fence.
    """
    if not schema_version(con):
        with transaction(con):
            _create_blank(con)
    migrate(con, transaction, take_out_blank)


def _create_blank(con: duckdb.DuckDBPyConnection) -> None:
    """Create the tables with a row each, which the next transaction takes out, before anybody can use the tables."""
    con.execute(f"create schema if not exists {SCHEMA}")
    for table in TABLES:
        if relation_kind(con, SCHEMA, table.name) is None:  # else a process was killed between the two transactions
            con.execute(table.creation(packed=False))
    put_in_blank(con)


def put_in_blank(con: duckdb.DuckDBPyConnection) -> None:
    """Give each table a row, for :func:`take_out_blank` to take out in a transaction of its own.

    DuckLake keeps statistics of each table that ever had a row. Of one that had none, it asks PostgreSQL again for the
    statistics of each column in each query.
    """
    for table in TABLES:
        names = ", ".join(quoted(column.name) for column in table.columns)
        values = ", ".join(map(_blank, table.columns))
        con.execute(f"insert into {table.relation} ({names}) values ({values})")  # noqa: S608


def take_out_blank(con: duckdb.DuckDBPyConnection) -> None:
    """Take out what :func:`put_in_blank` has put in."""
    for table in TABLES:
        is_blank = " and ".join(
            f"{quoted(column.name)} is not distinct from {_blank(column)}" for column in table.columns
        )
        con.execute(f"delete from {table.relation} where {is_blank}")  # noqa: S608


def _blank(column: Column) -> str:
    return f"{_BLANK[column.type]}::{column.type}" if column.required else f"null::{column.type}"
