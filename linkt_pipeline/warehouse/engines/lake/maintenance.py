"""Keeps a lake small and quick: few large files in place of many small ones, and nothing that nobody reads.

DuckLake can't merge files in the transaction that passes the fence. So each step asks first whether the turn is still
held, and DuckLake itself refuses to merge files from which another transaction has deleted meanwhile.
"""

import time
from collections.abc import Callable
from datetime import timedelta

import duckdb
import psycopg
from psycopg import sql

from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.engines.lake.place import LakePlace
from linkt_pipeline.warehouse.engines.lake.published import published_snapshot
from linkt_pipeline.warehouse.running_duckdb import CATALOG
from linkt_pipeline.warehouse.warehouse import Compaction

DEFAULT_KEEP = timedelta(days=7)

# Each thread holds a piece of a file that is written. With two of them, merging files of a million entities takes four
# times as long, because they don't fit into the memory that DuckDB gets, or fails.
THREADS = 1

# A reader that began before a merge goes on to read the files that it replaces.
_LONGEST_READ = timedelta(days=1)
_NAME = literal(CATALOG)

Require = Callable[[], None]
"""Raises an error if the turn to write is lost."""


def compact_lake(con: duckdb.DuckDBPyConnection, require: Require, keep: timedelta) -> Compaction:
    """Merge small files, and give up snapshots that are older than ``keep`` with the files that only they read.

    The snapshot that is published stays.

    A file that a merge replaces is deleted a day later at the earliest, by the next call: readers may be at it.

    Args:
        con: a connection to the lake, outside of a transaction; nobody else writes.
        require: see :data:`Require`.
        keep: age up to which the lake can be read as it was.
    """
    begun, before = time.monotonic(), bytes_of_files(con)
    _call(con, require, "ducklake_flush_inlined_data")
    _call(con, require, "ducklake_rewrite_data_files")
    _call(con, require, "ducklake_merge_adjacent_files")
    if old := _snapshots_before(con, keep):
        _call(con, require, "ducklake_expire_snapshots", f"versions => {old}")
    _call(con, require, "ducklake_cleanup_old_files", _older_than(_LONGEST_READ))
    _call(con, require, "ducklake_delete_orphaned_files", _older_than(_LONGEST_READ))
    return Compaction(before, bytes_of_files(con), time.monotonic() - begun)


def rewrite_lake(con: duckdb.DuckDBPyConnection, require: Require) -> None:
    """Leave nothing of deleted rows in any file: neither rows nor the smallest and largest values of columns.

    Every earlier snapshot is given up, and a reader that began before fails.

    Args:
        con: a connection to the lake, outside of a transaction; nobody else writes.
        require: see :data:`Require`.
    """
    _call(con, require, "ducklake_flush_inlined_data")
    _call(con, require, "ducklake_rewrite_data_files", "delete_threshold => 0")
    _call(con, require, "ducklake_merge_adjacent_files")
    _call(con, require, "ducklake_expire_snapshots", "older_than => now()")
    _call(con, require, "ducklake_cleanup_old_files", "cleanup_all => true")
    _call(con, require, "ducklake_delete_orphaned_files", "cleanup_all => true")


def rewrite_catalog(place: LakePlace, con: psycopg.Connection) -> None:
    """Write the tables of a catalog anew, so that no block of theirs holds what was deleted.

    Args:
        place: of the lake.
        con: to the database of its catalog, in autocommit mode.
    """
    tables = con.execute("select tablename from pg_tables where schemaname = %s", [place.schema]).fetchall()
    for (table,) in tables:
        con.execute(sql.SQL("vacuum full {}").format(sql.Identifier(place.schema, table)))


def bytes_of_files(con: duckdb.DuckDBPyConnection) -> int:
    """Size of the files that a reader reads now."""
    row = con.execute(
        f"select sum(file_size_bytes + delete_file_size_bytes) from ducklake_table_info({_NAME})"  # noqa: S608
    ).fetchone()
    return int(row[0] or 0) if row else 0


def _call(con: duckdb.DuckDBPyConnection, require: Require, function: str, *options: str) -> None:
    require()
    con.execute(f"call {function}({', '.join([_NAME, *options])})").fetchall()


def _snapshots_before(con: duckdb.DuckDBPyConnection, keep: timedelta) -> list[int]:
    """Snapshots to give up: the newest is read by whoever comes next."""
    found = con.execute(
        f"select snapshot_id from ducklake_snapshots({_NAME}) where snapshot_time < now() - to_seconds($1) "  # noqa: S608
        f"and snapshot_id not in (select id from ducklake_current_snapshot({_NAME})) order by all",
        [keep.total_seconds()],
    ).fetchall()
    published = published_snapshot(con)
    return [snapshot for (snapshot,) in found if snapshot != published]


def _older_than(age: timedelta) -> str:
    return f"older_than => now() - to_seconds({age.total_seconds()})"
