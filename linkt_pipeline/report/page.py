"""The page: figures and charts put into the template, and written in one step.

Nobody can trust what Linkt found on the web. So every value is escaped, only http(s) addresses become links, and the
page forbids scripts and all requests.
"""

import os
import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from linkt_pipeline.report import charts
from linkt_pipeline.report.chart import BarChart
from linkt_pipeline.report.data import WEEKS_SHOWN, ReportData, Row, read_report
from linkt_pipeline.report.drawing import chart_svg, clean, number, read_asset
from linkt_pipeline.report.errors import OutputUnwritableError

_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+", re.IGNORECASE)


def write_report(snapshot: Path, output: Path, *, made_up: bool = False) -> Path:
    """Write the report on a published snapshot.

    Args:
        snapshot: the published DuckDB file.
        output: the HTML file; replaced in one step if there is one, its folder is made.
        made_up: say on the page that the data are the sandbox's.

    Returns:
        The absolute path of the file.

    Raises:
        SnapshotMissingError: there is no snapshot.
        SnapshotUnusableError: it is no DuckDB database or lacks what the report reads.
        OutputUnwritableError: the file can't be written.
    """
    html = render(read_report(snapshot), made_up=made_up)
    target = output.expanduser().absolute()
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(html, encoding="utf-8")
        beside.replace(target)
    except OSError as error:
        raise OutputUnwritableError(target, error.strerror or str(error)) from None
    finally:
        if target.parent.is_dir():
            beside.unlink(missing_ok=True)
    return target


def render(data: ReportData, *, made_up: bool = False) -> str:
    """The page as text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: "" if value is None else clean(value) if type(value) is str else value,
    )
    environment.filters |= {
        "number": lambda value: "–" if value is None else number(value),
        "percent": lambda value: "–" if value is None else f"{value:.0%}",
        "moment": _moment,
        "day": _day,
        "duration": _duration,
        "excerpt": _excerpt,
        "web_address": web_address,
        "web_domain": _web_domain,
        "host": lambda address: (urlsplit(address).hostname or "").removeprefix("www."),
        "svg": _svg,
    }
    as_of = data.as_of.date()
    return environment.get_template("page.html.j2").render(
        data=data,
        totals=data.totals,
        made_up=made_up,
        styles=Markup("\n".join(map(read_asset, ("palette.css", "palette-dark.css", "chart.css", "page.css")))),  # noqa: S704 our own files
        credit_charts=[charts.credits_over_time(data.credits, as_of), charts.credits_by_task(data.actions)],
        changes=_changes(data.weeks),
        most_named=max((_named(run) for run in data.runs), default=0),
        longest=max((_longest(run) for run in data.runs), default=0),
        signal_charts=[
            charts.signals_over_time(data.signals_weekly, as_of),
            charts.signals_by_type(data.signals_by_type, WEEKS_SHOWN),
        ],
    )


_CHANGES = (
    ("New companies", "new_companies"),
    ("Companies found again for another ICP", "known_companies"),
    ("New people", "new_people"),
    ("Signals", "signals"),
    ("Strong signals", "strong_signals"),
    ("Companies and people that changed", "changed_entities"),
    ("Changed facts", "changed_fields"),
    ("Changed labels", "status_changes"),
    ("Finished runs", "runs"),
    ("Credits", "credits"),
)


def _changes(weeks: Sequence[Row]) -> list[tuple[str, Any, Any]]:
    """Each figure with its name: of this week, and of the week before."""
    of = {row["is_this_week"]: row for row in weeks}
    return [(name, of.get(True, {}).get(key, 0), of.get(False, {}).get(key, 0)) for name, key in _CHANGES]


def web_address(value: str | None) -> str | None:
    """The address if a browser can safely be sent there, else None."""
    try:
        parts = urlsplit((value or "").strip())
    except ValueError:
        return None
    return (value or "").strip() if parts.scheme in ("http", "https") and parts.hostname else None


def _web_domain(value: str | None) -> str | None:
    return f"https://{value}" if value and _DOMAIN.fullmatch(value) else None


def _svg(chart: BarChart, *, narrow: bool = False) -> Markup:
    return Markup(chart_svg(chart, narrow=narrow))  # noqa: S704 an XML library wrote it, and escaped what it holds


def _named(run: Row) -> int:
    return int(run["entities_created"] + run["entities_updated"] + run["signals_created"])


def _longest(run: Row) -> float:
    return float(max(run["run_time_seconds"] or 0, run["expected_high_seconds"] or 0))


def _moment(value: datetime | None) -> str:
    return "–" if value is None else f"{value.day} {value:%b %Y, %H:%M}"


def _day(value: date | None) -> str:
    return "–" if value is None else f"{value.day} {value:%b %Y}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def _excerpt(value: Any, longest: int = 180) -> str:
    text = " ".join(clean(str(value)).split()) if value is not None else ""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
