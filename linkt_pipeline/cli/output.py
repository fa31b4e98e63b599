"""Tables on screen: rich on a terminal, the same in plain characters elsewhere, never cut in a pipe."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import click

from linkt_pipeline.display import shown, shown_value

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 10_000
_LONGEST_TEXT = 20_000


def echo(text: object = "", *, err: bool = False, nl: bool = True, longest: int | None = _LONGEST_TEXT) -> None:
    """Print a text as it may be shown; every subcommand prints through here.

    Args:
        text: what to print.
        err: on stderr.
        nl: end the line.
        longest: cut after so many characters; None for a document, which may be of any length.
    """
    click.echo(shown(str(text), longest), err=err, nl=nl)


def make_console() -> "Console":
    """A console for stdout that wraps on a terminal only."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)


def print_table(
    console: "Console",
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    right: Iterable[str] = (),
    wrapped: Iterable[str] | None = None,
) -> None:
    """A titled table. Values are shown as they are, never as markup.

    Args:
        console: where to; its width counts.
        title: a line above, or empty.
        columns: names.
        rows: values in that order.
        right: columns of numbers.
        wrapped: on a narrow screen, these columns use more lines, and the others are cut; None: all columns.
    """
    from rich.table import Table
    from rich.text import Text

    numeric = set(right)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in columns:
        justify: Literal["left", "right"] = "right" if name in numeric else "left"
        if wrapped is None or name in wrapped:
            table.add_column(name, justify=justify, overflow="fold")
        else:
            shortest = len(name) if name in numeric else None
            table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis", min_width=shortest)
    for row in rows:
        table.add_row(*(Text(show(value)) for value in row))
    if title:
        console.print()
        console.print(Text(title, style="bold"))
    console.print(table)


def show(value: Any) -> str:
    """A value for a person's eyes."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return f"{moment:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return ", ".join(map(show, value))
    return " ".join(shown_value(str(value)).split())


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago, as ``5m 02s ago``; ``never`` for None."""
    from linkt_pipeline.executions.events import format_elapsed

    if moment is None:
        return "never"
    return f"{format_elapsed((now or datetime.now(UTC)) - moment)} ago"


def file_size(size: int) -> str:
    """A number of bytes for a person's eyes, as ``12.3 MB``."""
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
