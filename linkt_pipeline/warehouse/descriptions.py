"""What tables, views and their columns mean, in a database of which nobody can ask that by its comments.

A DuckLake keeps no comments on columns of views, and to list its tables with their comments asks for the statistics of
each table. So a lake has a table of descriptions, which whoever makes the lake creates. Any other database has none.
"""

from collections.abc import Mapping

import duckdb

SCHEMA = "linkt_lake"
_TABLE = f"{SCHEMA}.descriptions"

Described = dict[tuple[str, str], dict[str, str]]
"""Descriptions by schema and name of the table or view, and by column; its own under an empty name."""


def create_descriptions(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table, in a database that needs it."""
    con.execute(
        f"create table {_TABLE} (schema_name varchar not null, relation_name varchar not null, "
        "column_name varchar not null, description varchar not null)"
    )


def has_descriptions(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the current database has the table."""
    found = con.execute(
        "select 1 from duckdb_schemas() where database_name = current_database() and schema_name = $1", [SCHEMA]
    ).fetchall()
    return bool(found)


def read_descriptions(con: duckdb.DuckDBPyConnection) -> Described:
    """The descriptions of everything."""
    found: Described = {}
    rows = con.execute(
        f"select schema_name, relation_name, column_name, description from {_TABLE}"  # noqa: S608
    ).fetchall()
    for schema, relation, column, description in rows:
        found.setdefault((schema, relation), {})[column] = description
    return found


def keep_descriptions(
    con: duckdb.DuckDBPyConnection, schema: str, name: str, descriptions: Mapping[str, str | None]
) -> None:
    """Replace the descriptions of a table or view.

    Args:
        con: a transaction.
        schema: of the table or view.
        name: its name.
        descriptions: all of them, by column; its own under an empty name.
    """
    con.execute(f"delete from {_TABLE} where schema_name = $1 and relation_name = $2", [schema, name])  # noqa: S608
    kept = {column: text for column, text in descriptions.items() if text is not None}
    con.execute(
        f"insert into {_TABLE} select $1, $2, unnest($3::varchar[]), unnest($4::varchar[])",
        [schema, name, list(kept), list(kept.values())],
    )


def keep_new_descriptions(con: duckdb.DuckDBPyConnection, descriptions: Described) -> None:
    """Add descriptions of many tables and views that have none yet, in a database that has a table of them."""
    rows = [(*key, column, text) for key, found in descriptions.items() for column, text in found.items()]
    con.execute(
        f"insert into {_TABLE} select unnest($1::varchar[]), unnest($2::varchar[]), unnest($3::varchar[]), "
        "unnest($4::varchar[])",
        [list(values) for values in zip(*rows, strict=True)] if rows else [[], [], [], []],
    )
