"""Looks for a text in all files of a data folder, whatever form they have it in."""

from pathlib import Path

import duckdb


def places_of(text: str, folder: Path) -> list[str]:
    """Every file that holds a text, in any case, in UTF-8 or UTF-16, or in a column of a table or Parquet file."""
    return [*_in_bytes(text, folder), *_in_databases(text, folder), *_in_parquet(text, folder)]


def _in_bytes(text: str, folder: Path) -> list[str]:
    needles = [text.lower().encode(), text.lower().encode("utf-16-le"), text.lower().encode("utf-16-be")]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path) for path in files if any(needle in path.read_bytes().lower() for needle in needles)]


def _in_databases(text: str, folder: Path) -> list[str]:
    found = []
    for path in folder.rglob("*.duckdb"):
        with duckdb.connect(str(path), read_only=True) as con:
            for schema, table in con.execute(
                "select schema_name, table_name from duckdb_tables() where not internal"
            ).fetchall():
                found += [f"{path}:{schema}.{table}"] * _holds(con, f'"{schema}"."{table}"', text)
    return found


def _in_parquet(text: str, folder: Path) -> list[str]:
    with duckdb.connect() as con:
        return [str(path) for path in folder.rglob("*.parquet") if _holds(con, f"read_parquet('{path}')", text)]


def _holds(con: duckdb.DuckDBPyConnection, relation: str, text: str) -> bool:
    names = [name for name, *_ in con.execute(f"describe select * from {relation}").fetchall()]
    if not names:
        return False
    condition = " or ".join(f'contains(lower("{name}"::varchar), lower($1))' for name in names)
    return con.execute(f"select 1 from {relation} where {condition} limit 1", [text]).fetchone() is not None
