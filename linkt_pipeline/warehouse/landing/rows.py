"""Finds and replaces rows by id without touching the rest of a big table."""

from collections.abc import Sequence

import duckdb


def stored_rows(table: str, key: str, delivered: str) -> str:
    """A query for the ``rowid`` of the rows that a delivery is about.

    The query reads only the ids of the whole table. DuckDB would read every further column in full too, such as the
    fingerprints of a million rows to keep a thousand. So the caller fetches further columns by ``rowid``.
    """
    return f"select rowid from {table} where {key} in (select {key} from {delivered})"  # noqa: S608


def replace_rows(
    con: duckdb.DuckDBPyConnection,
    table: str,
    changed: str,
    columns: Sequence[str],
    select: Sequence[str],
    *,
    source: str | None = None,
    some_stored: bool = True,
) -> None:
    """Take the rows of ``changed`` into ``table``, in place of those they replace.

    The old row is deleted and the new one appended. An update in place looks simpler, but makes the next checkpoint
    rewrite every row group that it touched, with the payloads of 120,000 neighbours.

    Args:
        con: a connection inside a transaction.
        table: schema and name of the table.
        changed: a temporary table with one row per id; its column ``stored_row`` is the ``rowid`` of the row to
            replace, read in this transaction, and null where ``table`` does not hold the id. Finding the row by its
            id would read the ids of the whole table once more.
        columns: columns to fill.
        select: one expression over ``changed`` for each of them.
        source: what to select from instead, one row per id of ``changed``; keeps wide rows out of ``changed``.
        some_stored: whether any ``stored_row`` is not null.
    """
    if some_stored:
        con.execute(
            f"delete from {table} where rowid in (select stored_row from {changed} where stored_row is not null)"  # noqa: S608
        )
    names = ", ".join(f'"{column}"' for column in columns)
    con.execute(f"insert into {table} ({names}) select {', '.join(select)} from {source or changed}")  # noqa: S608
