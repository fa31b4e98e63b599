"""Replaces rows by id without touching the rest of a big table."""

from collections.abc import Sequence

import duckdb


def replace_rows(
    con: duckdb.DuckDBPyConnection,
    table: str,
    key: str,
    changed: str,
    columns: Sequence[str],
    select: Sequence[str],
    *,
    source: str | None = None,
) -> None:
    """Take the rows of ``changed`` into ``table``, in place of those with the same key.

    The old row is deleted and the new one appended. An update in place looks simpler, but makes the next checkpoint
    write every row group it touched anew, all payloads of 120,000 neighbours included.

    Args:
        con: a connection inside a transaction.
        table: schema and name of the table.
        key: its id column.
        changed: a temporary table with one row per id; its column ``is_new`` tells ids that ``table`` does not hold.
        columns: columns to fill.
        select: one expression over ``changed`` for each of them.
        source: what to select from instead, one row per id of ``changed``; keeps wide rows out of ``changed``.
    """
    con.execute(
        f"""
        merge into {table} as stored
        using (select {key} from {changed} where not is_new) as newer on stored.{key} = newer.{key}
        when matched then delete
        """  # noqa: S608
    )
    names = ", ".join(f'"{column}"' for column in columns)
    con.execute(f"insert into {table} ({names}) select {', '.join(select)} from {source or changed}")  # noqa: S608
