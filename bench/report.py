"""Renders sections to Markdown; sections that were not run again keep their text and their date."""

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from bench.outcome import Goal, Section
from bench.server import WORK

REPORT = Path("docs/benchmarks.md")
_KEPT = WORK / "sections.json"
_NOTES = Path(__file__).with_name("notes.md")
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
_HEAD = """# Benchmarks

What the product reaches beside its peers, measured by `make bench` (or `python -m bench SECTION...`) and written by it:
nothing here is typed in by hand but the last chapter. Ratios tell more than absolutes: contenders run in turn on the
same machine, each in a process of its own; a figure such as 1.2 (1.1-1.4) is the median with the smallest and largest.
Where other work keeps the machine busy, CPU time is the steadier figure.
"""


def render(section: Section) -> str:
    """One chapter."""
    return "\n\n".join([f"## {section.title}", *section.body, _goals(section.goals)]).rstrip() + "\n"


def write_sections(found: Mapping[str, Section], order: Sequence[str]) -> None:
    """Write the report, with these sections replaced."""
    kept = json.loads(_KEPT.read_text()) if _KEPT.exists() else {}
    for name, section in found.items():
        kept[name] = {**asdict(section), "machine": machine(), "date": time.strftime("%Y-%m-%d")}
    _KEPT.write_text(json.dumps(kept))
    chapters = [_HEAD, _summary(kept, order)]
    for name in order:
        if name in kept:
            chapters.append(render(_section(kept[name])))
            chapters.append(f"*`python -m bench {name}`, {kept[name]['date']}, {kept[name]['machine']}*\n")
    chapters.append(_NOTES.read_text())
    REPORT.write_text("\n".join(chapters))


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


def _section(kept: Mapping[str, object]) -> Section:
    goals = [Goal(**goal) for goal in kept["goals"]]  # type: ignore[attr-defined]
    return Section(kept["title"], kept["body"], goals)  # type: ignore[arg-type]


def _summary(kept: Mapping[str, Mapping[str, object]], order: Sequence[str]) -> str:
    goals = [goal for name in order if name in kept for goal in _section(kept[name]).goals]
    met = sum(goal.met for goal in goals)
    return f"**Goals: {met} of {len(goals)} met.**\n\n{_goals(goals)}\n"


def _goals(goals: Sequence[Goal]) -> str:
    if not goals:
        return ""
    rows = [f"| {goal.text} | {goal.reached} | {'met' if goal.met else '**missed**'} |" for goal in goals]
    return "\n".join(["| goal | reached | |", "| --- | --- | --- |", *rows])
