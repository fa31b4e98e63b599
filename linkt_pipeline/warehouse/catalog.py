"""What a database holds: every table and view with its columns and their descriptions."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb


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
    columns: dict[tuple[str, str], list[CatalogColumn]] = {}
    for schema, table, name, data_type, comment in con.execute(
        """
        select schema_name, table_name, column_name, data_type, comment from duckdb_columns()
        where database_name = current_database() and not internal
        order by schema_name, table_name, column_index
        """
    ).fetchall():
        columns.setdefault((schema, table), []).append(CatalogColumn(name, data_type, comment))
    tables = con.execute(
        """
        select schema_name, table_name, false, comment from duckdb_tables()
        where database_name = current_database() and not internal and not temporary
        union all
        select schema_name, view_name, true, comment from duckdb_views()
        where database_name = current_database() and not internal and not temporary
        order by all
        """
    ).fetchall()
    return [
        CatalogTable(schema, name, is_view, comment, tuple(columns.get((schema, name), ())))
        for schema, name, is_view, comment in tables
    ]


def describe(
    con: duckdb.DuckDBPyConnection, table: CatalogTable, description: str | None, columns: Mapping[str, str | None]
) -> None:
    """Attach the descriptions of a table or view and of its columns, where others are attached to them now.

    Args:
        con: the database.
        table: as it is now.
        description: the one that is wanted.
        columns: the wanted ones of columns, by name; a column that is not among them is to have none.
    """
    if table.description != description:
        con.execute(f"comment on {'view' if table.is_view else 'table'} {table.relation} is {literal(description)}")
    for column in table.columns:
        wanted = columns.get(column.name)
        if column.description != wanted:
            con.execute(f"comment on column {table.relation}.{quoted(column.name)} is {literal(wanted)}")


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | None) -> str:
    """A text, quoted, or ``null``."""
    return "null" if text is None else "'" + text.replace("'", "''") + "'"
