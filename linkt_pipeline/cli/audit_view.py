"""What an audit found, on screen and as JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from linkt_pipeline.cli.output import echo, make_console, print_table

if TYPE_CHECKING:
    from linkt_pipeline.audit import Audit, Figure, MartAudit
    from linkt_pipeline.audit.runner import Progress


@contextmanager
def progress_line() -> "Iterator[Progress]":
    """Says on stderr which mart is audited: one line that changes on a terminal, a line a mart elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("auditing") as status:

        def show_progress(mart: str, done: int, of: int) -> None:
            status.update(f"auditing marts.{mart}" + (f", {done:,} of {of:,}" if of else ""))
            if not of and not console.is_terminal:
                echo(f"auditing marts.{mart}", err=True)

        yield show_progress


def print_audit(found: "Audit", most: int) -> None:
    """A line a mart, the differences below, and what was compared in all."""
    console = make_console()
    print_table(
        console,
        "",
        ["mart", "rows", "figures compared", "left out", "differ"],
        [_line(mart) for mart in found.marts],
        right=["rows", "figures compared", "left out", "differ"],
    )
    for mart in found.marts:
        if mart.differences:
            more = f", the first {most}" if mart.differences > most else ""
            print_table(
                console,
                f"{mart.mart}: {mart.differences:,} differ{more}",
                ["key", "column", "stored", "recomputed"],
                [_difference(figure) for figure in mart.figures[:most]],
            )
    echo()
    for remark in _remarks(found):
        echo(remark)
    if found.differences and found.stale:
        echo(f"{found.stale}; that alone may explain the differences: run `linkt-pipeline sync`, then audit again")


def _line(mart: "MartAudit") -> list[str]:
    if mart.absent:
        return [mart.mart, "not there", "", "", ""]
    return [mart.mart, f"{mart.rows:,}", f"{mart.compared:,}", f"{mart.unsure:,}", f"{mart.differences:,}"]


def _difference(figure: "Figure") -> list[str]:
    key = ", ".join(f"{name}={_shown(value)}" for name, value in figure.key.items() if value is not None)
    return [key, figure.column or "(row)", _shown(figure.stored), _shown(figure.recomputed)]


def _shown(value: Any) -> str:
    if value is None:
        return "(nothing)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _remarks(found: "Audit") -> Iterator[str]:
    all_figures = found.compared + found.unsure
    share = found.compared / all_figures if all_figures else 1
    result = f"{found.differences:,} differ" if found.differences else "none differs"
    yield f"{found.compared:,} figures compared ({share:.1%} of {all_figures:,}), {result}"
    if found.unsure:
        yield f"{found.unsure:,} left out: values that are not plain, which only the macros of sql/macros define"
    for mart in found.marts:
        if mart.left_out:
            yield f"{mart.mart}: {mart.left_out:,} ids beyond --rows left out"
    skipped = [f"{mart.mart}.{column}" for mart in found.marts for column in mart.skipped]
    if skipped:
        yield f"not recomputed: {', '.join(skipped)}"
    if found.others:
        yield f"not recomputed, marts of your own: {', '.join(found.others)}"


def print_json(found: "Audit") -> None:
    """Everything that was found as one object."""
    document = {
        "compared": found.compared,
        "left_out": found.unsure,
        "differences": found.differences,
        "stale": found.stale,
        "not_recomputed": list(found.others),
        "marts": [
            {
                "mart": mart.mart,
                "absent": mart.absent,
                "rows": mart.rows,
                "compared": mart.compared,
                "left_out": mart.unsure,
                "ids_left_out": mart.left_out,
                "skipped": list(mart.skipped),
                "differences": mart.differences,
                "figures": [vars(figure) for figure in mart.figures],
            }
            for mart in found.marts
        ],
    }
    echo(json.dumps(document, default=str), longest=None)
