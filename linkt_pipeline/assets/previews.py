"""A few rows as markdown, for the UI."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import duckdb

_ROWS = 10
_COLUMNS = 10
_WIDTH = 60


def preview_markdown(con: duckdb.DuckDBPyConnection, table: str) -> str:
    """The first rows of a table; its name comes from the code, never from data."""
    cursor = con.execute(f"select * from {table} limit {_ROWS}")  # noqa: S608
    return rows_markdown([column[0] for column in cursor.description or ()], cursor.fetchall())


def rows_markdown(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as a markdown table, at most ten columns wide."""
    shown = list(columns)[:_COLUMNS]
    lines = [f"| {' | '.join(shown)} |", f"|{'---|' * len(shown)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row[:_COLUMNS])} |" for row in rows]
    if len(columns) > _COLUMNS:
        lines.append(f"\n… and {len(columns) - _COLUMNS} more columns")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
