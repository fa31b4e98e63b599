"""Opening the published snapshot for reading, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import orjson

from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.errors import SnapshotMissingError, SnapshotUnusableError
from linkt_pipeline.warehouse.old_names import rename_snapshot
from linkt_pipeline.warehouse.publish.snapshot import CATALOG_NAME
from linkt_pipeline.warehouse.running_duckdb import CATALOG


@contextmanager
def open_snapshot(snapshot: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection; a snapshot published meanwhile does not change what it sees.

    Raises:
        SnapshotMissingError: there is no such file.
        SnapshotUnusableError: it is no DuckDB database or a damaged one, or a statement of the caller fails on what
            it holds.
    """
    rename_snapshot(snapshot)
    if not snapshot.is_file():
        raise SnapshotMissingError(snapshot)
    con = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    try:
        con.execute(f"attach {literal(str(snapshot))} as {CATALOG} (read_only)")
        con.execute(f"use {CATALOG}")
        con.execute("set TimeZone = 'UTC'")
        yield con
    except duckdb.Error as error:
        raise SnapshotUnusableError(snapshot, str(error).strip().splitlines()[0]) from None
    finally:
        con.close()


def published_at(snapshot: Path) -> datetime:
    """When the data was taken, in UTC: as the catalog beside the snapshot says, else as old as the file."""
    try:
        stated = orjson.loads((snapshot.parent / CATALOG_NAME).read_bytes())["as_of"]
        moment = datetime.fromisoformat(stated)
    except (OSError, ValueError, KeyError, TypeError):
        return datetime.fromtimestamp(snapshot.stat().st_mtime, UTC)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
