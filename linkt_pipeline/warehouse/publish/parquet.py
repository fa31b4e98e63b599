"""The Parquet files of a publication: those that are written, and those that stay because nothing in them would change.

A file that stays is not touched. It stays only if it is the very file that was written less than a day ago from the
same rows, columns and descriptions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson

from linkt_pipeline.warehouse.catalog import CatalogColumn, CatalogTable, literal, quoted
from linkt_pipeline.warehouse.publish.types import parquet_type

# DuckDB gathers a row group in memory before it is written, for each thread: by rows alone, wide ones need gigabytes.
# A column gets a dictionary if it has few values: ids and JSON only cost time by trying (a quarter of it, in all), and
# the files come out as small without.
_FORMAT = "format parquet, compression zstd, row_group_size_bytes '16MB', dictionary_size_limit 1000"
RECORD_NAME = ".parquet.json"
# A change of rows by hand does not change their state, so every file is written again after this time.
_STAYS_FOR = timedelta(days=1)


@dataclass(frozen=True)
class ParquetFile:
    """A published file.

    Attributes:
        source: all that its contents come from: state of the rows, columns, descriptions, engine.
        rows: how many it holds.
        written_at: when it was, in UTC.
        mark: of the file itself, see :func:`_mark`.
    """

    source: str
    rows: int
    written_at: datetime
    mark: str


class ParquetFiles:
    """The files of one publication.

    Args:
        folder: what is published; the files of the last publication lie there.
        workspace: where new ones are written first.
        as_of: the moment of the publication, in UTC.
        states: by ``schema.table``, a text that changes whenever the rows change; a table without a state is written
            every time.
    """

    def __init__(self, folder: Path, workspace: Path, as_of: datetime, states: Mapping[str, str]) -> None:
        self._folder, self._workspace, self._as_of, self._states = folder, workspace, as_of, states
        self._last = _read_record(folder / RECORD_NAME)
        self._stays: dict[str, ParquetFile] = {}
        self._sources: dict[str, tuple[str | None, int]] = {}

    def export(self, con: duckdb.DuckDBPyConnection, table: CatalogTable) -> int:
        """Write a table's file, unless it stays. Returns the number of rows."""
        source = self._source(table)
        last = self._last.get(table.key)
        if last and source == last.source and self._is_intact(con, table, last):
            self._stays[table.key] = last
            return last.rows
        rows = _write(con, table, parquet_path(self._workspace, table), self._as_of)
        self._sources[table.key] = source, rows
        return rows

    def is_new(self, table: CatalogTable) -> bool:
        """Whether a file was written that is to be moved into place."""
        return table.key in self._sources

    def remember(self, tables: Sequence[CatalogTable]) -> None:
        """Record which files are in place now, for the next publication."""
        files = dict(self._stays)
        for table in tables:
            source, rows = self._sources.get(table.key, (None, 0))
            if source is not None:
                files[table.key] = ParquetFile(source, rows, self._as_of, _mark(parquet_path(self._folder, table)))
        # Written aside and moved, so that a killed process leaves the old record or the new one.
        record = self._workspace / RECORD_NAME
        record.write_bytes(orjson.dumps({key: asdict(file) for key, file in files.items()}))
        record.replace(self._folder / RECORD_NAME)

    def _source(self, table: CatalogTable) -> str | None:
        if table.key not in self._states:
            return None
        parts = [self._states[table.key], duckdb.__version__, _FORMAT, table.description, *map(asdict, table.columns)]
        return orjson.dumps(parts).decode()

    def _is_intact(self, con: duckdb.DuckDBPyConnection, table: CatalogTable, last: ParquetFile) -> bool:
        if not timedelta(0) <= self._as_of - last.written_at < _STAYS_FOR:
            return False
        # Rows that somebody deleted by hand leave the table's state as it was. To count a view's rows would compute it.
        if not table.is_view and count_rows(con, table) != last.rows:
            return False
        try:
            return _mark(parquet_path(self._folder, table)) == last.mark
        except FileNotFoundError:
            return False


def parquet_path(folder: Path, table: CatalogTable) -> Path:
    """Where a table's file lies."""
    return folder / table.schema / f"{table.name}.parquet"


def count_rows(con: duckdb.DuckDBPyConnection, table: CatalogTable) -> int:
    """How many rows a table or view has."""
    row = con.execute(f"select count(*) from {table.relation}").fetchone()  # noqa: S608
    return int(row[0]) if row else 0


def cast_columns(columns: Sequence[CatalogColumn], types: Mapping[str, str]) -> str:
    """A select list with some columns cast to other types."""
    return ", ".join(
        f"cast({quoted(column.name)} as {types[column.name]}) as {quoted(column.name)}"
        if column.name in types
        else quoted(column.name)
        for column in columns
    )


def _write(con: duckdb.DuckDBPyConnection, table: CatalogTable, target: Path, as_of: datetime) -> int:
    """One table as Parquet; the descriptions travel in the file's key-value metadata. Returns the number of rows."""
    target.parent.mkdir(exist_ok=True)
    types = {column.name: parquet_type(column.type) for column in table.columns}
    changed = {column.name: types[column.name] for column in table.columns if types[column.name] != column.type}
    described = {column.name: column.description for column in table.columns if column.description}
    metadata = {
        "table": table.key,
        "description": table.description or "",
        "column_descriptions": orjson.dumps(described).decode(),
        "as_of": as_of.isoformat(),
    }
    written = ", ".join(f"{quoted(key)}: {literal(value)}" for key, value in metadata.items())
    copied = con.execute(
        f"copy (select {cast_columns(table.columns, changed)} from {table.relation}) "  # noqa: S608
        f"to {literal(str(target))} ({_FORMAT}, kv_metadata {{{written}}})"
    ).fetchall()
    return int(copied[0][0])


def _mark(path: Path) -> str:
    """A mark of a file, which changes when the file is replaced or written to."""
    found = path.stat()
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"


def _read_record(path: Path) -> dict[str, ParquetFile]:
    """Of the last publication; nothing if there is none or it can't be read, then every file is written."""
    try:
        stored: dict[str, dict[str, Any]] = orjson.loads(path.read_bytes())
        return {
            key: ParquetFile(**{**file, "written_at": datetime.fromisoformat(file["written_at"]).astimezone(UTC)})
            for key, file in stored.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
