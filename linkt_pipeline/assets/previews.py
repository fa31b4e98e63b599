"""A few rows as markdown, for the UI."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from linkt_pipeline.display import shown_value
from linkt_pipeline.transform import Columns
from linkt_pipeline.warehouse.catalog import quoted

_ROWS = 10
_COLUMNS = 8
_WIDTH = 48
_SORTED_UP_TO = 100_000  # beyond it the newest rows cost more than a preview is worth


def preview_markdown(con: duckdb.DuckDBPyConnection, table: str, columns: Columns, rows: int) -> str:
    """The newest rows of a table, with the columns that a person reads first.

    Args:
        con: a connection that sees the table.
        table: its name as SQL, quoted where that is needed.
        columns: names and types.
        rows: how many the table has.
    """
    shown = readable_columns(columns)
    newest = next((name for name in columns if _is_moment(columns[name])), None)
    order = f"order by {quoted(newest)} desc nulls last" if newest and rows <= _SORTED_UP_TO else ""
    names = ", ".join(map(quoted, shown))
    cursor = con.execute(f"select {names} from {table} {order} limit {_ROWS}")  # noqa: S608
    text = rows_markdown(shown, cursor.fetchall())
    hidden = len(columns) - len(shown)
    return f"{text}\n\n{min(rows, _ROWS)} of {rows:,} rows" + (f", {hidden} more columns" if hidden else "")


def readable_columns(columns: Columns, most: int = _COLUMNS) -> list[str]:
    """Up to eight columns in the table's order: names and figures before ids, nested values last."""
    ranked = sorted(columns, key=lambda name: _reading_rank(name, columns[name]))[:most]
    return [name for name in columns if name in ranked]


def _reading_rank(name: str, data_type: str) -> int:
    if data_type == "JSON" or data_type.endswith("]") or data_type.startswith(("STRUCT", "MAP")):
        return 2
    return 1 if name.endswith(("_id", "_ids", "_version", "_url")) else 0


def _is_moment(data_type: str) -> bool:
    return data_type.startswith("TIMESTAMP") or data_type == "DATE"


def rows_markdown(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as a markdown table, at most eight columns wide."""
    shown = list(columns)[:_COLUMNS]
    lines = [f"| {' | '.join(shown)} |", f"|{'---|' * len(shown)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row[:_COLUMNS])} |" for row in rows]
    if len(columns) > _COLUMNS:
        lines.append(f"\n… and {len(columns) - _COLUMNS} more columns")
    return "\n".join(lines)


def figures_markdown(heading: tuple[str, str], figures: Mapping[str, float]) -> str:
    """Names and figures as a table of two columns, the largest first."""
    return rows_markdown(heading, sorted(figures.items(), key=lambda item: (-item[1], item[0])))


_MARKUP = str.maketrans({character: f"\\{character}" for character in "\\|*_`<>[]~"})


def _cell(value: Any) -> str:
    """A value as text that markdown takes literally: it comes from the web, by way of Linkt."""
    match value:
        case None:
            return ""
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case float():
            return f"{value:,.2f}".rstrip("0").rstrip(".")
    text = " ".join(shown_value(str(value)).split())
    text = text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
    return text.translate(_MARKUP)
