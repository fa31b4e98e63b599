"""A lake as a DuckDB file: what is published, and what a deployment takes back to one machine."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from linkt_pipeline.warehouse.catalog import describe, literal, read_catalog
from linkt_pipeline.warehouse.descriptions import SCHEMA as OF_THE_LAKE
from linkt_pipeline.warehouse.engines.file_engine import STORAGE_VERSION
from linkt_pipeline.warehouse.engines.lake.published import current_snapshot
from linkt_pipeline.warehouse.running_duckdb import CATALOG
from linkt_pipeline.warehouse.tables import TABLES
from linkt_pipeline.warehouse.warehouse import Copied

_COPY = "copied"


def copy_lake(con: duckdb.DuckDBPyConnection, target: Path) -> Copied:
    """Write every table, view, macro and description of a lake, as of one moment, into a new DuckDB file.

    Args:
        con: a connection to the lake, outside of a transaction.
        target: the file.
    """
    con.execute(f"attach {literal(str(target))} as {_COPY} (storage_version {literal(STORAGE_VERSION)})")
    try:
        con.execute("begin transaction")
        as_of, snapshot = datetime.now(UTC), current_snapshot(con)
        _copy(con)
        con.execute("commit")
        con.execute(f"checkpoint {_COPY}")
    finally:
        with suppress(duckdb.Error):  # there is none, or it was lost with the connection
            con.execute("rollback")
        con.execute(f"use {CATALOG}")
        con.execute(f"detach {_COPY}")
    return Copied(as_of, locked_seconds=0, snapshot=snapshot)


def _copy(con: duckdb.DuckDBPyConnection) -> None:
    found = [table for table in read_catalog(con) if table.schema != OF_THE_LAKE]
    con.execute(f"copy from database {CATALOG} to {_COPY} (schema)")
    con.execute(f"use {_COPY}")
    con.execute(f"drop schema {OF_THE_LAKE} cascade")
    for packed in TABLES:
        if any(column.packed for column in packed.columns):  # a lake knows no compression of columns
            con.execute(f"drop table {packed.relation}")
            con.execute(packed.creation())
    for table in found:
        if not table.is_view:
            con.execute(f"insert into {table.relation} by name from {CATALOG}.{table.relation}")
    bare = {table.key: table for table in read_catalog(con)}
    for table in found:
        columns = {column.name: column.description for column in table.columns}
        describe(con, bare[table.key], table.description, columns, apart=False)
