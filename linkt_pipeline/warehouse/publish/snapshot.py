"""The published copy: always readable, never half, and of one moment.

The warehouse is copied by its engine. A file is copied as it is under a lock that lets readers in, which takes as long
as the disk does; DuckDB's own ``copy from database`` writes every row again and was twelve times slower at 1.2 GB. All
further work is done on the copy, which is then moved over the old one: who has the old file open keeps it.

Views become tables in the copy, so that a reader computes nothing. Only the views that the caller names stay views: to
copy their rows would cost more than all other steps, and to read them costs next to nothing.
"""

import shutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson

from linkt_pipeline.permissions import make_private_folder, open_files
from linkt_pipeline.warehouse.catalog import CatalogTable, literal, quoted, read_catalog
from linkt_pipeline.warehouse.duckdb_errors import is_unwritable, sql_failure, unwritable_error
from linkt_pipeline.warehouse.errors import WarehouseError
from linkt_pipeline.warehouse.files import exclusive_folder, move_into_place
from linkt_pipeline.warehouse.old_names import SNAPSHOT_NAME, link_old_name
from linkt_pipeline.warehouse.publish.parquet import ParquetFiles, cast_columns, count_rows, parquet_path
from linkt_pipeline.warehouse.publish.types import conversions
from linkt_pipeline.warehouse.running_duckdb import CATALOG, start_duckdb
from linkt_pipeline.warehouse.warehouse import Warehouse

CATALOG_NAME = "catalog.json"
_RAW_SCHEMAS = frozenset({"linkt", "main"})  # published inside the DuckDB file alone, not as Parquet


class SnapshotError(WarehouseError):
    """A view could not be computed, so nothing was published; the last snapshot is still in place."""


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        path: the DuckDB file.
        as_of: when the copy was taken.
        bytes: size of the DuckDB file.
        parquet_bytes: size of all Parquet files.
        tables: number of tables in the DuckDB file.
        rows: rows of each table, by ``schema.table``.
        parquet: Parquet file of each table outside of schema ``linkt``, by ``schema.table``.
        seconds: wall time of all of it.
        locked_seconds: how long writers were kept waiting.
        stale: models that are not built from their present file, with the reason; their tables are those of the last
            good build, or are missing.
    """

    path: Path
    as_of: datetime
    bytes: int
    parquet_bytes: int
    tables: int
    rows: Mapping[str, int]
    parquet: Mapping[str, Path]
    seconds: float
    locked_seconds: float
    stale: Mapping[str, str]


def _none_known(_: duckdb.DuckDBPyConnection) -> Mapping[str, str]:
    return {}


States = Callable[[duckdb.DuckDBPyConnection], Mapping[str, str]]
"""Gives for tables and views of a database a text, by ``schema.table``, that changes whenever the rows change."""


def _nothing(_: duckdb.DuckDBPyConnection) -> None:
    return


Require = Callable[[duckdb.DuckDBPyConnection], None]
"""Raises an error if a database must not be published."""


def publish_snapshot(
    warehouse: Warehouse,
    published_dir: Path,
    views: Collection[str] = (),
    states: States = _none_known,
    require: Require = _nothing,
) -> Published:
    """Publish the warehouse as it is now.

    Args:
        warehouse: what to copy.
        published_dir: receives ``warehouse.duckdb``, ``<schema>/<table>.parquet`` and ``catalog.json``; Parquet
            files of tables that are gone are removed.
        views: those that stay views, by ``schema.view``, unless one of their columns is of a type that has to be
            converted. What they give must not depend on the session that reads them.
        states: called once, with the copy as it was taken. A table whose state is that of the last publication keeps
            its Parquet file; without states all files are written.
        require: called once, with the copy as it was taken; an error that it raises stops the publication.

    Raises:
        WarehouseMissingError: there is no warehouse yet.
        WarehouseBusyError: it is being written for longer than the lock timeout.
        SnapshotError: a view can't be computed.
        WarehouseUnwritableError: the disk is full or the folder can't be written.
    """
    begun = time.monotonic()
    folder = published_dir.expanduser().absolute()
    try:
        make_private_folder(folder)
        with exclusive_folder(folder):
            return _publish(warehouse, folder, begun, views, states, require)
    except OSError as error:
        better = unwritable_error(error, folder)
        raise better or error from error


def _publish(
    warehouse: Warehouse, folder: Path, begun: float, views: Collection[str], states: States, require: Require
) -> Published:
    workspace = folder / ".next"
    shutil.rmtree(workspace, ignore_errors=True)  # left by a publication that was killed
    workspace.mkdir()
    try:
        copy = workspace / SNAPSHOT_NAME
        copied = warehouse.copy_to(copy)
        as_of = copied.as_of
        tables, rows, stale, files = _finish_copy(copy, folder, workspace, as_of, views, states, require)
        parquet = {table.key: parquet_path(folder, table) for table in _exported(tables)}
        (workspace / CATALOG_NAME).write_bytes(_describe(tables, rows, as_of, folder, parquet, stale))
        # Before the moves, so that readers of the folder can read each file from its first moment.
        open_files(workspace)
        # The catalog moves last: it names the moment of the files, which have to be there by then.
        for table in filter(files.is_new, _exported(tables)):
            move_into_place(parquet_path(workspace, table), parquet_path(folder, table))
        for schema in {table.schema for table in _exported(tables)}:
            (folder / schema).chmod(0o755)
        move_into_place(copy, folder / SNAPSHOT_NAME)
        # A tool that opened the old file for writing may have left a log, which must not be applied to the new one.
        (folder / f"{SNAPSHOT_NAME}.wal").unlink(missing_ok=True)
        link_old_name(folder / SNAPSHOT_NAME)
        move_into_place(workspace / CATALOG_NAME, folder / CATALOG_NAME)
        _remove_stale(folder, set(parquet.values()))
        # Last too: the record marks the files as they lie in place.
        files.remember(_exported(tables))
        warehouse.note_published(copied)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    return Published(
        path=folder / SNAPSHOT_NAME,
        as_of=as_of,
        bytes=(folder / SNAPSHOT_NAME).stat().st_size,
        parquet_bytes=sum(path.stat().st_size for path in parquet.values()),
        tables=len(tables),
        rows=rows,
        parquet=parquet,
        seconds=time.monotonic() - begun,
        locked_seconds=copied.locked_seconds,
        stale={name: problem for name, (problem, _) in stale.items()},
    )


Stale = Mapping[str, tuple[str, datetime]]
"""What can't be built now, by table (or file): why, and since when."""


def _finish_copy(
    copy: Path,
    folder: Path,
    workspace: Path,
    as_of: datetime,
    views: Collection[str],
    states: States,
    require: Require,
) -> tuple[list[CatalogTable], dict[str, int], Stale, ParquetFiles]:
    """Turn views into tables, give columns their published types and write the Parquet files that have changed.

    Nothing here touches the warehouse.
    """
    con = start_duckdb(workspace / "spill")
    try:
        con.execute(f"attach {literal(str(copy))} as {CATALOG}; use {CATALOG}")
        require(con)
        files = ParquetFiles(folder, workspace, as_of, states(con))
        found = read_catalog(con)
        stale = _read_stale(con, found)
        _materialize_views(con, [table for table in found if table.is_view and not _stays(con, table, views)], stale)
        _convert(con, [table for table in _exported(found) if not table.is_view])
        _mark_stale(con, read_catalog(con), stale)
        tables, rows = [], {}
        for table in read_catalog(con):
            try:
                rows[table.key] = _export(con, table, files)
            except duckdb.Error as error:
                if not table.is_view:
                    raise
                _leave_out(con, table, error, stale)
            else:
                tables.append(table)
        # Detaching writes DuckDB's log into the file, and only the file is moved.
        con.execute(f"use memory; detach {CATALOG}")
        return tables, rows, stale, files
    except duckdb.Error as error:
        better = unwritable_error(error, copy)
        if better is not None:
            raise better from error
        raise
    finally:
        con.close()


def _read_stale(con: duckdb.DuckDBPyConnection, tables: list[CatalogTable]) -> Stale:
    """From ``linkt.model_builds``, which a warehouse of an earlier release may lack."""
    if not any((table.schema, table.name) == ("linkt", "model_builds") for table in tables):
        return {}
    rows = con.execute(
        "select model, problem, timezone('UTC', problem_since) from linkt.model_builds where problem is not null "
        "order by model"
    ).fetchall()
    return {model: (problem, since.replace(tzinfo=UTC)) for model, problem, since in rows}


def _mark_stale(con: duckdb.DuckDBPyConnection, tables: list[CatalogTable], stale: Stale) -> None:
    """Make the table's description say that its rows are old."""
    for table in tables:
        if known := stale.get(table.key):
            problem, since = known
            text = f"STALE since {since:%Y-%m-%d %H:%M} UTC, as last built before: {problem}. {table.description or ''}"
            kind = "view" if table.is_view else "table"
            con.execute(f"comment on {kind} {table.relation} is {literal(text.strip())}")


def _materialize_views(con: duckdb.DuckDBPyConnection, views: list[CatalogTable], stale: Stale) -> None:
    """Compute all of them before any is replaced, because views read views.

    A view that can't be built from its present file may no longer fit the tables it reads: it is left out.
    """
    computed: list[CatalogTable] = []
    for view in views:
        try:
            columns = cast_columns(view.columns, conversions(con, view))
            con.execute(f"create table {_computed(view)} as select {columns} from {view.relation}")  # noqa: S608
        except duckdb.Error as error:
            # A full disk says nothing about the view.
            if view.key in stale and not is_unwritable(error):
                continue
            raise _incomputable(view, error) from error
        computed.append(view)
    for view in views:
        con.execute(f"drop view {view.relation}")
    for view in computed:
        con.execute(f"alter table {_computed(view)} rename to {quoted(view.name)}")
        con.execute(f"comment on table {view.relation} is {literal(view.description)}")
        for column in view.columns:
            if column.description is not None:
                con.execute(f"comment on column {view.relation}.{quoted(column.name)} is {literal(column.description)}")


def _stays(con: duckdb.DuckDBPyConnection, view: CatalogTable, views: Collection[str]) -> bool:
    return view.key in views and not conversions(con, view)


def _export(con: duckdb.DuckDBPyConnection, table: CatalogTable, files: ParquetFiles) -> int:
    """See to a table's Parquet file, if it has one. Returns the number of rows."""
    if table.schema in _RAW_SCHEMAS:
        return count_rows(con, table)
    return files.export(con, table)


def _leave_out(con: duckdb.DuckDBPyConnection, view: CatalogTable, error: duckdb.Error, stale: Stale) -> None:
    """A view that can't be built from its present file may no longer fit the tables it reads."""
    if view.key not in stale or is_unwritable(error):
        raise _incomputable(view, error) from error
    con.execute(f"drop view {view.relation}")


def _incomputable(view: CatalogTable, error: duckdb.Error) -> Exception:
    if is_unwritable(error):
        return error
    text, advice = sql_failure(error)
    return SnapshotError(
        f"view {view.key} can't be computed, so nothing was published: {text}\n"
        f"{advice} and publish again; the last snapshot is still in place"
    )


def _convert(con: duckdb.DuckDBPyConnection, tables: list[CatalogTable]) -> None:
    """Give the columns of tables the types that are published.

    The copy may be put in place of a damaged warehouse. Its tables then have to be computed again, with the types of a
    warehouse. So the copy's ``linkt.model_builds`` loses the record of what these tables were built from.
    """
    converted = []
    for table in tables:
        for name, data_type in conversions(con, table).items():
            con.execute(f"alter table {table.relation} alter column {quoted(name)} set data type {data_type}")
            converted.append(table.key)
    if con.execute("from duckdb_tables() where schema_name = 'linkt' and table_name = 'model_builds'").fetchone():
        con.execute(
            "update linkt.model_builds set cursor = null, contents = null where model in (select unnest($1))",
            [sorted({*converted})],
        )


def _computed(view: CatalogTable) -> str:
    # A name with a blank, which no model can have.
    return f"{quoted(view.schema)}.{quoted(f'computed {view.name}')}"


def _exported(tables: list[CatalogTable]) -> list[CatalogTable]:
    return [table for table in tables if table.schema not in _RAW_SCHEMAS]


def _describe(
    tables: list[CatalogTable],
    rows: Mapping[str, int],
    as_of: datetime,
    folder: Path,
    parquet: Mapping[str, Path],
    stale: Stale,
) -> bytes:
    def entry(table: CatalogTable) -> dict[str, Any]:
        key = table.key
        return {
            "schema": table.schema,
            "name": table.name,
            "description": table.description,
            "rows": rows[key],
            "stale": {"reason": stale[key][0], "since": stale[key][1]} if key in stale else None,
            "parquet": str(parquet[key].relative_to(folder)) if key in parquet else None,
            "columns": [asdict(column) for column in table.columns],
        }

    document = {"as_of": as_of, "database": SNAPSHOT_NAME, "tables": [entry(table) for table in tables]}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)


def _remove_stale(folder: Path, current: set[Path]) -> None:
    for path in folder.glob("*/*.parquet"):
        if path not in current and not path.parent.name.startswith("."):
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
