"""The report's charts, built from its figures."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta

from linkt_pipeline.report.chart import BarChart, Series, pivot
from linkt_pipeline.report.data import Row
from linkt_pipeline.report.span import within_span

_DAYS_AT_MOST = 21  # a longer span is drawn by week


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
        note=f"By the time a run was made (UTC).{not_drawn}",
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


def durations_by_run(runs: Sequence[Row]) -> BarChart:
    """Working time of the newest finished runs beside what Linkt documents."""
    return BarChart(
        title="Duration by run",
        note="Working time that Linkt reports, beside what it documents at most: 20 minutes for a search, 1 minute "
        "a row for an ingest, nothing for other kinds.",
        unit="minutes",
        heading="Run",
        categories=tuple(_run_label(run) for run in runs),
        series=(
            Series("took", tuple(_minutes(run["run_time_seconds"]) for run in runs)),
            Series("documented at most", tuple(_minutes(run["expected_high_seconds"]) for run in runs), muted=True),
        ),
        horizontal=True,
        stacked=False,
    )


def signals_over_time(signals: Sequence[tuple[date, str, int]], as_of: date) -> BarChart:
    """Signals by week and type, without gaps in time."""
    signals, not_drawn = within_span(signals, as_of)
    weeks = _every_week([week for week, _, _ in signals], as_of)
    categories = tuple(map(_day_label, weeks))
    cells = {(_day_label(week), label): float(count) for week, label, count in signals}
    return BarChart(
        title="Signals by week and type",
        note=f"By the time Linkt noticed them, which is not when they happened.{not_drawn}",
        unit="signals",
        heading="Week of",
        categories=categories,
        series=pivot(cells, categories, most=8),
        wide=True,
    )


def _time_axis(days: Sequence[date], as_of: date) -> tuple[Callable[[date], str], tuple[str, ...], str]:
    """How a day is labelled, all labels in order, and what a label means."""
    if days and (max(*days, as_of) - min(days)).days > _DAYS_AT_MOST:
        return lambda day: _day_label(_monday(day)), tuple(map(_day_label, _every_week(days, as_of))), "Week of"
    span = (max(*days, as_of) - min(days)).days if days else 0
    return _day_label, tuple(_day_label(min(days) + timedelta(n)) for n in range(span + 1)) if days else (), "Day"


def _every_week(days: Iterable[date], as_of: date) -> list[date]:
    mondays = sorted({_monday(day) for day in days})
    if not mondays:
        return []
    last = max(mondays[-1], _monday(as_of))
    return [mondays[0] + timedelta(weeks=n) for n in range((last - mondays[0]).days // 7 + 1)]


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _day_label(day: date) -> str:
    return f"{day.day} {day:%b}"


def _run_label(run: Row) -> str:
    made: datetime | None = run["created_at"]
    return f"{made.day} {made:%b %H:%M} · {run['task']}" if made else str(run["task"])


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 60
