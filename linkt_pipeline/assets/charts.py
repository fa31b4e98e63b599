"""Charts for the UI, where a chart shows more than ten rows do; drawn as the report draws them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from linkt_pipeline.transform import ModelKey

_WEEKS_SHOWN = 26
_RUNS_SHOWN = 12


def chart_of(con: duckdb.DuckDBPyConnection, key: ModelKey, columns: Collection[str]) -> str | None:
    """A markdown image of a mart's rows.

    Args:
        con: a connection that sees the mart.
        key: the mart.
        columns: the columns that it has.

    Returns:
        None for a mart that has no chart, holds nothing to draw, or was changed so that the query no longer fits.
    """
    chart = _CHARTS.get(str(key))
    # Compared first: DuckDB 2 aborts the transaction of a statement that it can't bind, and the build with it.
    if chart is None or not chart.columns.issubset(columns):
        return None
    try:
        return chart.draw(con)
    except duckdb.BinderException:
        return None


def _credits(con: duckdb.DuckDBPyConnection) -> str | None:
    from linkt_pipeline.report.charts import credits_over_time
    from linkt_pipeline.report.drawing import chart_markdown
    from linkt_pipeline.report.queries import CREDITS

    now = datetime.now(UTC)
    chart = credits_over_time(con.execute(CREDITS, _span(now)).fetchall(), now.date())
    return None if chart.is_empty else chart_markdown(chart)


def _signals(con: duckdb.DuckDBPyConnection) -> str | None:
    from linkt_pipeline.report.charts import signals_over_time
    from linkt_pipeline.report.drawing import chart_markdown
    from linkt_pipeline.report.queries import SIGNALS_WEEKLY

    now = datetime.now(UTC)
    chart = signals_over_time(con.execute(SIGNALS_WEEKLY, _span(now)).fetchall(), now.date())
    return None if chart.is_empty else chart_markdown(chart)


def _yields(con: duckdb.DuckDBPyConnection) -> str | None:
    from linkt_pipeline.report.charts import yields_by_run
    from linkt_pipeline.report.drawing import chart_markdown
    from linkt_pipeline.report.queries import RUNS

    cursor = con.execute(RUNS, {"rows": _RUNS_SHOWN})
    names = [column[0] for column in cursor.description or ()]
    chart = yields_by_run([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])
    return None if chart.is_empty else chart_markdown(chart)


def _span(now: datetime) -> dict[str, object]:
    return {"as_of": now, "days": 7 * _WEEKS_SHOWN}


@dataclass(frozen=True)
class _Chart:
    """How a mart is drawn, and the columns that this takes."""

    draw: Callable[[duckdb.DuckDBPyConnection], str | None]
    columns: frozenset[str]


_CHARTS: Mapping[str, _Chart] = {
    "marts.credits_daily": _Chart(_credits, frozenset({"day", "task", "credits"})),
    "marts.signal_feed": _Chart(_signals, frozenset({"detected_week", "detected_at", "strength_level"})),
    "marts.run_history": _Chart(
        _yields,
        frozenset({
            "task_key", "task", "spent_at", "run_time_seconds", "expected_high_seconds", "entities_created",
            "entities_updated", "signals_created", "credits", "is_success", "run_id",
        }),
    ),
}  # fmt: skip
