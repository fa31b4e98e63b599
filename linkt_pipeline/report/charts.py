"""The report's charts, built from its figures."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta

from linkt_pipeline.report.chart import BarChart, Series, pivot
from linkt_pipeline.report.data import Row
from linkt_pipeline.report.span import within_span

_DAYS_AT_MOST = 21  # a longer span is drawn by week
# A shorter span gets empty days or weeks before it: a single day would be one bar over the whole width.
_FEWEST_DAYS, _FEWEST_WEEKS = 10, 8
_TYPES_SHOWN = 12


def credits_over_time(credits: Sequence[tuple[date, str, float]], as_of: date) -> BarChart:
    """Credits by day or week and task, without gaps in time."""
    credits, not_drawn = within_span(credits, as_of)
    label, categories, heading = _time_axis([day for day, _, _ in credits], as_of)
    cells: dict[tuple[str, str], float] = {}
    for day, task, amount in credits:
        key = (label(day), task)
        cells[key] = cells.get(key, 0) + amount
    return BarChart(
        title=f"Credits by {'week' if heading == 'Week of' else 'day'} and task",
        note=f"By the day a run was made, in the time zone of its task.{not_drawn}",
        unit="credits",
        heading=heading,
        categories=categories,
        series=pivot(cells, categories),
    )


def credits_by_task(actions: Sequence[tuple[str, str, float]]) -> BarChart:
    """Credits of all time by task and kind of action, the most expensive task first."""
    cells = {(task, action): amount for task, action, amount in actions}
    totals: dict[str, float] = {}
    for task, _, amount in actions:
        totals[task] = totals.get(task, 0) + amount
    tasks = tuple(sorted(totals, key=lambda task: (-totals[task], task)))[:12]
    return BarChart(
        title="Credits by task and action",
        note="All runs landed so far." if len(totals) <= len(tasks) else f"The {len(tasks)} most expensive tasks.",
        unit="credits",
        heading="Task",
        categories=tasks,
        series=pivot({key: value for key, value in cells.items() if key[0] in tasks}, tasks),
        horizontal=True,
    )


def yields_by_run(runs: Sequence[Row]) -> BarChart:
    """What each of the newest finished runs named."""
    parts = (
        ("new entities", "entities_created"),
        ("updated entities", "entities_updated"),
        ("signals", "signals_created"),
    )
    return BarChart(
        title="Yield by run",
        note="Entities and signals that each finished run names, newest run first.",
        unit="results",
        heading="Run",
        categories=tuple(_run_label(run) for run in runs),
        series=tuple(Series(name, tuple(float(run[key]) for run in runs)) for name, key in parts),
        horizontal=True,
    )


def signals_over_time(signals: Sequence[tuple[date, str, int]], as_of: date) -> BarChart:
    """Signals by week and strength, without gaps in time. There are too many types to give each a colour."""
    signals, not_drawn = within_span(signals, as_of)
    weeks = _every_week([week for week, _, _ in signals], as_of)
    categories = tuple(map(_day_label, weeks))
    cells = {(_day_label(week), strength): float(count) for week, strength, count in signals}
    return BarChart(
        title="Signals by week and strength",
        note=f"By the time Linkt noticed them, which is not when they happened.{not_drawn}",
        unit="signals",
        heading="Week of",
        categories=categories,
        series=pivot(cells, categories, first=("high", "medium", "low")),
    )


def signals_by_type(types: Sequence[tuple[str, int]], weeks: int) -> BarChart:
    """Signals by type, the most frequent first.

    Args:
        types: label and number of signals, most first.
        weeks: the span they are counted in.
    """
    shown = types[:_TYPES_SHOWN]
    note = f"Of the last {weeks} weeks" + (
        "." if len(shown) == len(types) else f"; the {len(shown)} most frequent of {len(types)} types."
    )
    return BarChart(
        title="Signals by type",
        note=note,
        unit="signals",
        heading="Type",
        categories=tuple(label for label, _ in shown),
        series=(Series("signals", tuple(float(count) for _, count in shown)),),
        horizontal=True,
    )


def _time_axis(days: Sequence[date], as_of: date) -> tuple[Callable[[date], str], tuple[str, ...], str]:
    """How a day is labelled, all labels in order, and what a label means."""
    if days and (max(*days, as_of) - min(days)).days > _DAYS_AT_MOST:
        return lambda day: _day_label(_monday(day)), tuple(map(_day_label, _every_week(days, as_of))), "Week of"
    if not days:
        return _day_label, (), "Day"
    last = max(*days, as_of)
    first = min(*days, last - timedelta(_FEWEST_DAYS - 1))
    return _day_label, tuple(_day_label(first + timedelta(n)) for n in range((last - first).days + 1)), "Day"


def _every_week(days: Iterable[date], as_of: date) -> list[date]:
    mondays = sorted({_monday(day) for day in days})
    if not mondays:
        return []
    last = max(mondays[-1], _monday(as_of))
    first = min(mondays[0], last - timedelta(weeks=_FEWEST_WEEKS - 1))
    return [first + timedelta(weeks=n) for n in range((last - first).days // 7 + 1)]


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _day_label(day: date) -> str:
    return f"{day.day} {day:%b}"


def _run_label(run: Row) -> str:
    made: datetime | None = run["created_at"]
    return f"{made.day} {made:%b %H:%M} · {run['task']}" if made else str(run["task"])
