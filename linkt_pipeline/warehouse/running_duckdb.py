"""A DuckDB in this process, with the settings that suit the warehouse.

A warehouse is attached to it under the name ``warehouse``, whatever holds it. A catalog called ``linkt`` would make
``linkt.runs`` ambiguous with the schema ``linkt``.
"""

import os
from pathlib import Path

import duckdb

CATALOG = "warehouse"
DEFAULT_MEMORY_LIMIT = "512MB"  # leaves room for Python and Dagster below 1 GiB; DuckDB spills beyond it
_MAX_THREADS = 4
NO_DOWNLOADS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def start_duckdb(spill: Path, memory_limit: str = DEFAULT_MEMORY_LIMIT) -> duckdb.DuckDBPyConnection:
    """A DuckDB with nothing in it, whose settings suit the warehouse and copies of it.

    Args:
        spill: folder for what does not fit into memory; removed when the DuckDB is closed.
        memory_limit: beyond it DuckDB spills.
    """
    con = duckdb.connect(
        config={
            "memory_limit": memory_limit,
            "threads": usual_threads(),
            "temp_directory": str(spill),
            "preserve_insertion_order": False,
            **NO_DOWNLOADS,
        }
    )
    con.execute("set global TimeZone = 'UTC'")
    return con


def memory_warehouse() -> duckdb.DuckDBPyConnection:
    """A database in memory with the name and the settings of the warehouse, for SQL that is tried and not kept."""
    con = duckdb.connect(config=NO_DOWNLOADS)
    con.execute(f"attach ':memory:' as {CATALOG}; use {CATALOG}; set TimeZone = 'UTC'")
    return con


def usual_threads() -> int:
    """As many as there are cores, four at most."""
    return min(_MAX_THREADS, os.cpu_count() or 1)
