"""What the report shows, read from the marts of a snapshot in a handful of queries.

Every list is bounded here, so that the page stays small however large the warehouse is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from linkt_pipeline.report import queries
from linkt_pipeline.warehouse.publish.reader import open_snapshot, published_at

RUNS_SHOWN = 16
COMPANIES_SHOWN = 12
SIGNALS_SHOWN = 12
FAILURES_SHOWN = 10
TASKS_SHOWN = 20
CALLS_SHOWN = 15
NEW_COMPANIES_SHOWN = 8
WEEKS_SHOWN = 26

Row = dict[str, Any]


@dataclass(frozen=True)
class Totals:
    """The figures at the top; "new" and "this month" count back from the snapshot."""

    credits: float
    credits_this_month: float
    runs: int
    finished_runs: int
    successful_runs: int
    running: int
    companies: int
    companies_new: int
    people: int
    people_new: int
    signals: int
    signals_new: int
    results_open: int
    results_lost: int

    @property
    def success_rate(self) -> float | None:
        """Share of finished runs that completed; None before the first."""
        return self.successful_runs / self.finished_runs if self.finished_runs else None


@dataclass(frozen=True)
class ReportData:
    """All of the report's figures.

    Attributes:
        as_of: when the snapshot was taken (UTC).
        totals: the figures at the top.
        calls: whom to call, those with the most points first.
        this_week: its Monday; None before anything is landed.
        weeks: what changed in this week and the one before, as far as anything did.
        new_companies: some of those found this week, qualified ones first.
        budget: one row a task of the current month, the most expensive first.
        credits: day, task, credits; of the last weeks.
        actions: task, action_type, credits; of all time.
        runs: the newest finished runs, newest first.
        signals_weekly: week, strength, signals; of the last weeks.
        signals_by_type: label, signals; of the last weeks, most first.
        tasks: one row a task, the most expensive first.
        companies: those with the latest activity, with their people and newest signal.
        signals: newest signals.
        failures: newest runs that did not complete.
        losses: reasons why named ids could not be landed, with their number.
        freshness: one row a dataset.
    """

    as_of: datetime
    totals: Totals
    calls: Sequence[Row]
    this_week: date | None
    weeks: Sequence[Row]
    new_companies: Sequence[Row]
    budget: Sequence[Row]
    credits: Sequence[tuple[date, str, float]]
    actions: Sequence[tuple[str, str, float]]
    runs: Sequence[Row]
    signals_weekly: Sequence[tuple[date, str, int]]
    signals_by_type: Sequence[tuple[str, int]]
    tasks: Sequence[Row]
    companies: Sequence[Row]
    signals: Sequence[Row]
    failures: Sequence[Row]
    losses: Sequence[Row]
    freshness: Sequence[Row]


def read_report(snapshot: Path) -> ReportData:
    """Read all figures from one published snapshot.

    Raises:
        SnapshotMissingError: there is none.
        SnapshotUnusableError: it lacks what the report reads.
    """
    with open_snapshot(snapshot) as con:
        as_of = published_at(snapshot)
        span = {"as_of": as_of, "days": 7 * WEEKS_SHOWN}
        (totals,) = _rows(con, queries.TOTALS, {"as_of": as_of})
        return ReportData(
            as_of=as_of,
            totals=Totals(**totals),
            calls=_rows(con, queries.CALL_LIST, {"rows": CALLS_SHOWN}),
            this_week=next((row["this_week"] for row in _rows(con, queries.THIS_WEEK)), None),
            weeks=_rows(con, queries.WEEKS),
            new_companies=_rows(con, queries.NEW_COMPANIES, {"rows": NEW_COMPANIES_SHOWN}),
            budget=_rows(con, queries.BUDGET, {"rows": TASKS_SHOWN}),
            credits=con.execute(queries.CREDITS, span).fetchall(),
            actions=con.execute(queries.ACTIONS).fetchall(),
            runs=_rows(con, queries.RUNS, {"rows": RUNS_SHOWN}),
            signals_weekly=con.execute(queries.SIGNALS_WEEKLY, span).fetchall(),
            signals_by_type=con.execute(queries.SIGNALS_BY_TYPE, span).fetchall(),
            tasks=_rows(con, queries.TASKS, {"rows": TASKS_SHOWN}),
            companies=_rows(con, queries.COMPANIES, {"rows": COMPANIES_SHOWN}),
            signals=_rows(con, queries.SIGNALS, {"rows": SIGNALS_SHOWN}),
            failures=_rows(con, queries.FAILURES, {"rows": FAILURES_SHOWN}),
            losses=_rows(con, queries.LOSSES, {"rows": FAILURES_SHOWN}),
            freshness=_rows(con, queries.FRESHNESS),
        )


def _rows(con: duckdb.DuckDBPyConnection, sql: str, given: Row | None = None) -> list[Row]:
    cursor = con.execute(sql, given) if given else con.execute(sql)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
