"""Writes a page for each section under docs/benchmarks/, and docs/benchmarks.md, which sums the pages up.

The pages are the only store: a section that is not measured again keeps its page, in any clone.
"""

import os
import platform
import re
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from bench.outcome import Goal, Section

REPORT = Path("docs/benchmarks.md")
_LIBRARIES = (
    "dagster",
    "duckdb",
    "polars",
    "pydantic",
    "httpx",
    "aiohttp",
    "httpx-aiohttp",
    "orjson",
    "dlt",
    "requests",
)
_GOALS_HEAD = "| goal | reached | |\n| --- | --- | --- |"
_HEAD = """# Benchmarks

What the product reaches beside its peers, measured by `make bench` (or `python -m bench SECTION...`) and written by it.
"""
_METHOD = """## Method

Ratios tell more than absolutes: contenders run in turn on the same machine, each in a process of its own. A figure such
as 1.2 (1.1-1.4) is the median with the smallest and largest. Where other work keeps the machine busy, CPU time is the
steadier figure. `python -m bench SECTION` measures one section again and leaves the others as they are; `--quick` runs
small sizes and prints them. Each page says how it measures, and on what machine its figures were taken:
"""
_TRIED = "\nWhat was tried, what it gave and what did not help: [tried.md](benchmarks/tried.md).\n"


def render(section: Section) -> str:
    """The page of a section, without date and machine."""
    return "\n\n".join([f"# {section.title}", *section.body, _table(section.goals)]).rstrip() + "\n"


def write_section(name: str, section: Section, order: Sequence[str], report: Path = REPORT) -> None:
    """Write the page of a section, and the report over all pages there are.

    Args:
        name: of the section, as on the command line.
        section: what was measured.
        order: of the sections in the report.
        report: where the report is; the pages are in the folder of its name.
    """
    pages = report.with_suffix("")
    pages.mkdir(parents=True, exist_ok=True)
    measured = f"*`python -m bench {name}`, {time.strftime('%Y-%m-%d')}, {machine()}*\n"
    (pages / f"{name}.md").write_text(f"{render(section)}\n{measured}", encoding="utf-8")
    found = {each: page.read_text(encoding="utf-8") for each in order if (page := pages / f"{each}.md").exists()}
    goals = [goal for page in found.values() for goal in _goals(page)]
    summary = f"**Goals: {sum(goal.met for goal in goals)} of {len(goals)} met.**"
    listed = "".join(f"\n- [{_title(page)}]({pages.name}/{each}.md), {_date(page)}" for each, page in found.items())
    report.write_text(f"{_HEAD}\n{summary}\n\n{_table(goals)}\n\n{_METHOD}{listed}\n{_TRIED}", encoding="utf-8")


def machine() -> str:
    """What it was measured on."""
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[2]
    versions = ", ".join(f"{name} {found}" for name in _LIBRARIES if (found := _version(name)))
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, 15-minute load "
        f"{load:.1f}; Python {platform.python_version()}, {versions}"
    )


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _table(goals: Sequence[Goal]) -> str:
    if not goals:
        return ""
    rows = [f"| {goal.text} | {goal.reached} | {'met' if goal.met else '**missed**'} |" for goal in goals]
    return "\n".join([_GOALS_HEAD, *rows])


def _goals(page: str) -> list[Goal]:
    _, _, rows = page.partition(f"{_GOALS_HEAD}\n")
    cells = [row.strip("| ").split(" | ") for row in rows.partition("\n\n")[0].splitlines()]
    return [Goal(text, reached, met == "met") for text, reached, met in cells]


def _title(page: str) -> str:
    return page.partition("\n")[0].removeprefix("# ")


def _date(page: str) -> str:
    (date,) = re.findall(r"(?m)^\*`python -m bench \w+`, ([0-9-]+), ", page)
    return str(date)
