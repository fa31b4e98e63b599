"""Fills a lake that is not in use with a warehouse file.

A lake keeps no keys, indexes, sequences, types or default values, and does not know every type of column. The product's
own tables have none of it. A file in which somebody has made one is refused. Views are kept as DuckDB writes them down,
and DuckDB writes ``a cross join b`` down as ``a , b``, which binds in another way before a further join. Such a view is
left out, and the next build makes it from its model.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import duckdb

from linkt_pipeline.warehouse.catalog import literal, quoted
from linkt_pipeline.warehouse.descriptions import SCHEMA as OF_THE_LAKE
from linkt_pipeline.warehouse.descriptions import Described, keep_new_descriptions
from linkt_pipeline.warehouse.engines.comparison import MOVED, catalog_of
from linkt_pipeline.warehouse.engines.lake.creation import put_in_blank, take_out_blank
from linkt_pipeline.warehouse.engines.lake.taken import TakenLake
from linkt_pipeline.warehouse.errors import WarehouseError
from linkt_pipeline.warehouse.migration import make_views
from linkt_pipeline.warehouse.running_duckdb import CATALOG
from linkt_pipeline.warehouse.table import SCHEMA
from linkt_pipeline.warehouse.tables import ANSWERS, UNDELIVERED, VIEWS

_BLANK = "blank"
_AMBIGUOUS = " , "
# A type that a lake does not know, alone or inside of another: followed by nothing, or by what ends a type there.
_UNKNOWN_TYPE = r"\b(?:ENUM|UNION)\(|\[\d+\]|\b(?:BIT|BIGNUM|TIME_NS|VARIANT|GEOMETRY)(?:$|[,)\[])"
_OF_TABLES = "duckdb_columns() join duckdb_tables() using (database_name, schema_name, table_name)"
_NOT_KEPT = {
    "constraints": (
        "duckdb_constraints()",
        "schema_name || '.' || table_name",
        "constraint_type in ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY', 'CHECK')",
    ),
    "indexes": ("duckdb_indexes()", "schema_name || '.' || index_name", "true"),
    "sequences": ("duckdb_sequences()", "schema_name || '.' || sequence_name", "true"),
    "types": ("duckdb_types()", "schema_name || '.' || type_name", "not internal"),
    "columns with a default or generated value": (
        _OF_TABLES,
        "schema_name || '.' || table_name || '.' || column_name",
        "column_default <> 'NULL'",  # so a file that came from a lake says that there is none
    ),
    "columns of types": (
        _OF_TABLES,
        "schema_name || '.' || table_name || '.' || column_name || ' ' || data_type",
        # Names of fields and values of enums are quoted where they are no plain words.
        f"regexp_matches(regexp_replace(data_type, '\"[^\"]*\"', '', 'g'), {literal(_UNKNOWN_TYPE)})",
    ),
    "schemas": ("duckdb_schemas()", "schema_name", f"schema_name = {literal(OF_THE_LAKE)}"),
}

# What a deployment without a run has as well.
_MADE_HERE = frozenset(
    f"{SCHEMA}.{name}"
    for name in (
        *("schema_migrations", "sync_state", "settings", "task_entries", "api_usage", "alert_channels"),
        *("model_builds", "row_changes", "seen_rows"),
    )
)

# What is in the ledger alone, where it lies in PostgreSQL.
OF_THE_LEDGER = frozenset({UNDELIVERED.relation, ANSWERS.relation})


class NotForALakeError(WarehouseError):
    """A warehouse file holds something that a lake can't hold."""


def attach_file(con: duckdb.DuckDBPyConnection, file: Path, *, read_only: bool) -> None:
    """Attach a warehouse file beside the lake, as :data:`MOVED`."""
    con.execute(f"attach {literal(str(file))} as {MOVED}{' (read_only)' if read_only else ''}")


def fill_lake(lake: TakenLake, con: duckdb.DuckDBPyConnection) -> list[str]:
    """Make the tables, views, macros, descriptions and rows of a file in a lake that has none.

    Args:
        lake: which is not in use, and has a catalog.
        con: a connection to it, with the file attached by :func:`attach_file`.

    Returns:
        Views that the next build has to make.

    Raises:
        duckdb.Error: the disk or PostgreSQL refuses.
    """
    left_out = _prepare_blank(con)
    with lake.transaction(con):
        con.execute(f"copy from database {_BLANK} to {CATALOG} (schema)")
        make_views(con)
        put_in_blank(con)
    con.execute(f"detach {_BLANK}")
    left_out += _drop_broken_views(lake, con)
    with lake.transaction(con):
        take_out_blank(con)
        for table in catalog_of(con, MOVED):
            if not table.is_view and table.key not in OF_THE_LEDGER:
                con.execute(f"insert into {table.relation} by name from {MOVED}.{table.relation}")
        keep_new_descriptions(con, _descriptions(con, left_out))
    return sorted(left_out)


def require_plain(con: duckdb.DuckDBPyConnection) -> None:
    """Look whether a lake can hold all of a file, the current database.

    Raises:
        NotForALakeError: names what it can't hold.
    """
    for kind, (source, name, condition) in _NOT_KEPT.items():
        found = con.execute(
            f"select distinct {name} from {source} "  # noqa: S608
            f"where database_name = current_database() and {condition} order by 1"
        ).fetchall()
        if found:
            raise NotForALakeError(
                f"the warehouse has {kind} that a lake can't hold: {', '.join(name for (name,) in found)}. Nothing was "
                "moved. They are not of linkt-pipeline: drop them, change the model of yours that makes them, or keep "
                "what they belong to in a file of your own"
            )


def _prepare_blank(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Everything but rows and what a lake does not know, in a database in memory. Returns views that are left out."""
    con.execute(f"attach ':memory:' as {_BLANK}")
    con.execute(f"copy from database {MOVED} to {_BLANK} (schema)")
    of_the_product = {view.relation for view in VIEWS}
    left_out = []
    for schema, name, text in con.execute(
        "select schema_name, view_name, sql from duckdb_views() where database_name = $1 and not internal", [_BLANK]
    ).fetchall():
        if f"{schema}.{name}" in of_the_product or _AMBIGUOUS in text:
            con.execute(f"drop view {_BLANK}.{quoted(schema)}.{quoted(name)}")
            left_out += [] if f"{schema}.{name}" in of_the_product else [f"{schema}.{name}"]
    for relation, columns in _definitions(con):
        con.execute(f"drop table {relation}")
        con.execute(f"create table {relation} ({columns})")
    return left_out


def _definitions(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Each table, and its columns without their compression."""
    tables = con.execute(
        """
        select schema_name, table_name, list((column_name, data_type, is_nullable) order by column_index)
        from duckdb_columns() join duckdb_tables() using (database_name, schema_name, table_name)
        where database_name = $1 group by all
        """,
        [_BLANK],
    ).fetchall()
    for schema, table, columns in tables:
        lines = (f"{quoted(name)} {kind}{'' if nullable else ' not null'}" for name, kind, nullable in columns)
        yield f"{_BLANK}.{quoted(schema)}.{quoted(table)}", ", ".join(lines)


def _drop_broken_views(lake: TakenLake, con: duckdb.DuckDBPyConnection) -> list[str]:
    """Drop views that read one that was left out. Returns their names."""
    dropped: list[str] = []
    while broken := [view for view in _own_views(con) if not _binds(con, view)]:
        with lake.transaction(con):
            for schema, name in broken:
                con.execute(f"drop view {quoted(schema)}.{quoted(name)}")
        dropped += [f"{schema}.{name}" for schema, name in broken]
    return dropped


def _own_views(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return con.execute(
        "select schema_name, view_name from duckdb_views() where database_name = $1 and schema_name not in ($2, $3) "
        "and not internal order by all",
        [CATALOG, SCHEMA, OF_THE_LAKE],
    ).fetchall()


def _binds(con: duckdb.DuckDBPyConnection, view: tuple[str, str]) -> bool:
    try:
        con.execute(f"describe from {CATALOG}.{quoted(view[0])}.{quoted(view[1])}")
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.NotImplementedException):
        return False
    return True


def _descriptions(con: duckdb.DuckDBPyConnection, left_out: Collection[str]) -> Described:
    found: Described = {}
    for table in catalog_of(con, MOVED):
        if table.key not in left_out:
            texts = {"": table.description, **{column.name: column.description for column in table.columns}}
            found[table.schema, table.name] = {column: text for column, text in texts.items() if text is not None}
    return found


def first_rows(con: duckdb.DuckDBPyConnection) -> str:
    """A table of a lake that holds what Linkt or a person has given; empty if there is none.

    Args:
        con: a connection to the lake.
    """
    for table in catalog_of(con, CATALOG):
        is_given = table.schema == SCHEMA and table.key not in _MADE_HERE and not table.is_view
        if is_given and con.execute(f"select 1 from {table.relation} limit 1").fetchall():  # noqa: S608
            return table.key
    return ""
