"""Gives the space of deleted rows back to the disk. DuckDB itself keeps that space in the file and uses it again.

The warehouse is copied table by table into a new file, which then takes its place. Meanwhile readers are let in and
writers wait.
"""

import re
import time
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Protocol

import duckdb

from linkt_pipeline.warehouse.catalog import literal, quoted
from linkt_pipeline.warehouse.duckdb_errors import unwritable_error
from linkt_pipeline.warehouse.engines.file_engine import STORAGE_VERSION
from linkt_pipeline.warehouse.engines.replacement import Replacement
from linkt_pipeline.warehouse.errors import WarehouseError, WarehouseUnwritableError
from linkt_pipeline.warehouse.running_duckdb import CATALOG, start_duckdb
from linkt_pipeline.warehouse.warehouse import Compaction

_COPY = "fresh"


class CompactionError(WarehouseError):
    """The copy differs from the warehouse, which was left as it is."""


class ReplaceableFile(Protocol):
    """A warehouse whose file can be replaced by another one."""

    path: Path

    def replaceable(self) -> AbstractContextManager[Replacement]:
        """The right to do so."""


def compact_file(warehouse: ReplaceableFile, *, always: bool = False) -> Compaction:
    """Write the warehouse into a new, smaller file. Every table, view, description and row stays.

    Args:
        warehouse: whose file it is.
        always: also if the new file is not smaller, so that nothing of deleted rows is left in it.

    Raises:
        WarehouseMissingError: there is no warehouse yet.
        WarehouseBusyError: it is being written, read or compacted by others for longer than the lock timeout.
        WarehouseUnwritableError: the disk has no room for a second file meanwhile, or can't be written.
        CompactionError: the copy differs from the warehouse.
    """
    begun = time.monotonic()
    try:
        with warehouse.replaceable() as replacement:
            before = warehouse.path.stat().st_size
            after = _replace_if_smaller(replacement, before, always=always)
        return Compaction(before, after, time.monotonic() - begun)
    except (duckdb.Error, OSError) as error:
        if unwritable_error(error, warehouse.path) is None:
            raise
        raise WarehouseUnwritableError(
            f"{warehouse.path} was left as it is, whole: {str(error).strip().splitlines()[0]}. Compacting needs room "
            "for a second file of up to the same size until it is done. Free disk space, or fix the permissions of "
            "the folder, then run the same command again"
        ) from error


def _replace_if_smaller(replacement: Replacement, before: int, *, always: bool) -> int:
    """Returns the size of the file that is in place then."""
    # The connection reads the old file until the new one is in its place: closing it ends every lock of this process.
    with closing(start_duckdb(replacement.workspace / "spill")) as con:
        con.execute(f"attach {literal(str(replacement.path))} as {CATALOG} (read_only)")
        _copy(con, replacement)
        after = replacement.beside.stat().st_size
        if always or after < before:
            replacement.move_into_place()
            return after
        replacement.discard()
        return before


def _copy(con: duckdb.DuckDBPyConnection, replacement: Replacement) -> None:
    """Write the copy and close it, complete."""
    con.execute("set preserve_insertion_order = true")  # rows that are next to each other are read with each other
    con.execute(f"attach {literal(str(replacement.beside))} as {_COPY} (storage_version {literal(_format(con))})")
    con.execute(f"copy from database {CATALOG} to {_COPY}")
    con.execute(f"checkpoint {_COPY}")
    if difference := _difference(con):
        raise CompactionError(
            f"{replacement.path} was left as it is: a copy of it differs in {difference}. This is a mistake in "
            "linkt-pipeline or DuckDB; the warehouse is whole and can be used as before"
        )
    con.execute(f"detach {_COPY}")


def _format(con: duckdb.DuckDBPyConnection) -> str:
    """The storage version of the copy: what this product writes, or the warehouse's own if that is newer."""
    row = con.execute("select tags['storage_version'] from duckdb_databases() where database_name = ?", [CATALOG])
    found = re.match(r"v\d+\.\d+\.\d+", str(row.fetchall()[0][0]))
    return max(STORAGE_VERSION, found[0] if found else "", key=_parts)


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.removeprefix("v").split(".") if part]


# What a database consists of, but for its rows and the numbers by which DuckDB finds its own objects. Of views, the
# words are compared: DuckDB writes what is in `* replace (...)` in another order every time.
_CATALOGS = {
    "duckdb_schemas()": "schema_name, comment",
    "duckdb_tables()": "schema_name, table_name, comment, sql",
    "duckdb_views()": "schema_name, view_name, comment, list_sort(regexp_extract_all(sql, '\\w+|\\W'))",
    "duckdb_columns()": "schema_name, table_name, column_name, column_index, comment, column_default, is_nullable, "
    "data_type",
    "duckdb_constraints()": "schema_name, table_name, constraint_type, constraint_text",
    "duckdb_indexes()": "schema_name, table_name, index_name, comment, sql",
    "duckdb_sequences()": "schema_name, sequence_name, comment, sql",
    "duckdb_types()": "schema_name, type_name, comment, labels",
    "duckdb_functions()": "schema_name, function_name, comment, parameters, macro_definition",
}


def _difference(con: duckdb.DuckDBPyConnection) -> str | None:
    """Where the copy differs from the warehouse; None if nowhere."""
    for catalog, columns in _CATALOGS.items():
        in_one, in_other = (
            f"select {columns} from {catalog} where database_name = {literal(database)}"  # noqa: S608
            for database in (CATALOG, _COPY)
        )
        found = con.execute(
            f"({in_one} except all {in_other}) union all ({in_other} except all {in_one}) limit 1"
        ).fetchone()
        if found:
            return f"{catalog}: {found}"
    for schema, table in con.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ?", [CATALOG]
    ).fetchall():
        name = f"{quoted(schema)}.{quoted(table)}"
        counts = con.execute(
            f"select (select count(*) from {CATALOG}.{name}), (select count(*) from {_COPY}.{name})"  # noqa: S608
        ).fetchall()[0]
        if counts[0] != counts[1]:
            return f"{schema}.{table}: {counts[1]:,} rows instead of {counts[0]:,}"
    return None
