"""What a database holds: every table and view with its columns and their descriptions."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from linkt_pipeline.warehouse.descriptions import has_descriptions, keep_descriptions, read_descriptions


@dataclass(frozen=True)
class CatalogColumn:
    """A column; ``type`` as DuckDB writes it."""

    name: str
    type: str
    description: str | None


@dataclass(frozen=True)
class CatalogTable:
    """A table or view."""

    schema: str
    name: str
    is_view: bool
    description: str | None
    columns: tuple[CatalogColumn, ...]

    @property
    def key(self) -> str:
        """``schema.name``."""
        return f"{self.schema}.{self.name}"

    @property
    def relation(self) -> str:
        """Quoted, for use in SQL."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


def read_catalog(con: duckdb.DuckDBPyConnection) -> list[CatalogTable]:
    """Tables and views of the current database, by schema and name."""
    views = _comments(con, "duckdb_views()", "view_name")
    is_apart = has_descriptions(con)
    # Comments are not asked for where none are kept: see descriptions.py.
    described = read_descriptions(con) if is_apart else {}
    comments = {} if is_apart else _comments(con, "duckdb_tables()", "table_name") | views
    columns: dict[tuple[str, str], list[CatalogColumn]] = {}
    for schema, name, column, data_type, comment in con.execute(
        """
        select schema_name, table_name, column_name, data_type, comment from duckdb_columns()
        where database_name = current_database() and not internal
        order by schema_name, table_name, column_index
        """
    ).fetchall():
        known = described.get((schema, name), {}).get(column) if is_apart else comment
        columns.setdefault((schema, name), []).append(CatalogColumn(column, data_type, known))
    return [
        CatalogTable(*key, key in views, described.get(key, {}).get("") if is_apart else comments[key], tuple(found))
        for key, found in sorted(columns.items())
        if is_apart or key in comments  # not a temporary one
    ]


def relation_kind(con: duckdb.DuckDBPyConnection, schema: str, name: str) -> str | None:
    """What has a name in the current database: ``table``, ``view`` or nothing."""
    # Not from duckdb_tables(): see descriptions.py. A view has columns as well, and is looked for first: to list the
    # columns of all tables takes six times as long, and every opening of a warehouse asks for a view.
    for kind, listed, column in (("view", "duckdb_views()", "view_name"), ("table", "duckdb_columns()", "table_name")):
        found = con.execute(
            f"select 1 from {listed} "  # noqa: S608
            f"where database_name = current_database() and schema_name = $1 and {column} = $2 limit 1",
            [schema, name],
        ).fetchall()
        if found:
            return kind
    return None


def describe(
    con: duckdb.DuckDBPyConnection,
    table: CatalogTable,
    description: str | None,
    columns: Mapping[str, str | None],
    *,
    apart: bool,
) -> None:
    """Attach the descriptions of a table or view and of its columns, where others are attached to them now.

    Args:
        con: the database.
        table: as it is now.
        description: the one that is wanted.
        columns: the wanted ones of columns, by name; a column that is not among them is to have none.
        apart: whether the database has a table of descriptions; see :func:`has_descriptions`, which takes long enough
            not to be asked for each table.
    """
    now = {column.name: column.description for column in table.columns}
    wanted = {name: columns.get(name) for name in now}
    if (table.description, now) == (description, wanted):
        return
    if apart:
        keep_descriptions(con, table.schema, table.name, {"": description, **wanted})
        return
    statements = [
        f"comment on column {table.relation}.{quoted(name)} is {literal(text)}"
        for name, text in wanted.items()
        if now[name] != text
    ]
    if table.description != description:
        statements.append(
            f"comment on {'view' if table.is_view else 'table'} {table.relation} is {literal(description)}"
        )
    con.execute("; ".join(statements))  # one by one they take twice as long


def _comments(con: duckdb.DuckDBPyConnection, source: str, name: str) -> dict[tuple[str, str], str | None]:
    """The comment on each table or view, by schema and name."""
    rows = con.execute(
        f"select schema_name, {name}, comment from {source} "  # noqa: S608
        "where database_name = current_database() and not internal and not temporary"
    ).fetchall()
    return {(schema, relation): comment for schema, relation, comment in rows}


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | None) -> str:
    """A text, quoted, or ``null``."""
    return "null" if text is None else "'" + text.replace("'", "''") + "'"
