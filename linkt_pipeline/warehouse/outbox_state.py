"""Events that follow from a state rather than from a moment: failing checks, tables that can't be built, budgets.

Each function compares the present state with the state that was reported, in one transaction. So the next look reports
what a killed process could not.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import duckdb
import orjson

from linkt_pipeline.tasks import AlertEvent
from linkt_pipeline.warehouse.credits import Spending, spending_by_task, total_spending
from linkt_pipeline.warehouse.outbox import Alert, tell

ALL_TASKS = "all tasks together"
_LEVELS = (100, 80, 50)  # percent of a monthly_credit_limit
_ROUNDING = 1e-9
_PUBLIC = "marts"

Checked = Mapping[str, int | None]
"""Error-level checks by table and name: None for one that passed, else how many rows offend (0 if it can't be run)."""


def are_checks_news(con: duckdb.DuckDBPyConnection, checked: Checked) -> bool:
    """Whether a check has turned red, or green again, since the outbox last recorded it."""
    red = _told_red(con)
    return any((offending is None) == (check in red) for check, offending in checked.items())


def tell_checks(con: duckdb.DuckDBPyConnection, checked: Checked, dagster_run_id: str | None) -> None:
    """Record which checks have turned red, and which have passed again.

    Args:
        con: a transaction.
        checked: what came out.
        dagster_run_id: the Dagster run that shows their rows.
    """
    red, now = _told_red(con), datetime.now(UTC)
    for check, offending in checked.items():
        if offending is not None and check not in red:
            facts = {"check": check, "offending": offending}
            subject = f"{check}/{now.isoformat()}"
            tell(con, Alert(AlertEvent.CHECK_FAILED, subject, facts, dagster_run_id=dagster_run_id))
        elif offending is None and check in red:
            con.execute("update linkt.alerts set over_at = ? where event_key = ?", [now, red[check]])


def forget_checks(con: duckdb.DuckDBPyConnection, known: Collection[str]) -> None:
    """A red check that is no more, or no longer of error level, is over; if it comes back red, that is told.

    Args:
        con: a transaction.
        known: all error-level checks that there are.
    """
    con.execute(
        "update linkt.alerts set over_at = ? where event = ? and over_at is null "
        "and (facts ->> '$.check') not in (select unnest(?::varchar[]))",
        [datetime.now(UTC), AlertEvent.CHECK_FAILED.value, list(known)],
    )


def _told_red(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Checks that were reported as failing and have not passed since, with the key of the alert."""
    rows = con.execute(
        "select facts ->> '$.check', event_key from linkt.alerts where event = ? and over_at is null",
        [AlertEvent.CHECK_FAILED.value],
    ).fetchall()
    return dict(rows)


def tell_stale(con: duckdb.DuckDBPyConnection, dagster_run_id: str | None) -> None:
    """Record the marts that have become stale since the last report; one event for all of them.

    Args:
        con: a transaction.
        dagster_run_id: the Dagster run that found out.
    """
    stale = stale_marts(con)
    if not stale:
        return
    known = con.execute("select facts from linkt.alerts where event = ?", [AlertEvent.STALE.value]).fetchall()
    told = {tuple(each) for (facts,) in known for each in orjson.loads(facts)["marts"]}
    if news := sorted(stale - told):
        alert = Alert(AlertEvent.STALE, "/".join(news[0]), {"marts": news}, dagster_run_id=dagster_run_id)
        tell(con, alert)


def stale_marts(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """The marts that can't be built, each with the moment since when."""
    rows = con.execute(
        "select model, problem_since from linkt.model_builds where problem is not null and starts_with(model, $1)",
        [f"{_PUBLIC}."],
    ).fetchall()
    return {(model, since.astimezone(UTC).isoformat()) for model, since in rows}


def tell_budgets(con: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Record which budgets have reached 50, 80 or 100 % in this month: of each task, and of all tasks together.

    The limits are those of the last sync. The figures are those by which a start is refused, so runs that are open or
    state no cost count as the median of their task. If several levels are reached at once, the highest is recorded.

    Args:
        con: the transaction that lands runs, or changes limits.
        now: says which month it is, in the zone of the task or of the deployment.
    """
    entries = con.execute(
        "select task_key, task_id, timezone, monthly_credit_limit from linkt.task_entries "
        "where monthly_credit_limit > 0"
    ).fetchall()
    settings = dict(con.execute("select name, value from linkt.settings").fetchall())
    zone, limit = settings.get("timezone") or "UTC", float(settings.get("monthly_credit_limit") or 0)
    if not entries and not limit:
        return
    zones = {entry_zone for _, _, entry_zone, _ in entries} | ({zone} if limit else set())
    spent = {each: spending_by_task(con, now, each) for each in zones}
    for task_key, task_id, entry_zone, entry_limit in entries:
        spending = spent[entry_zone].get(task_id.lower(), Spending())
        _tell_budget(con, task_key, spending, entry_limit, f"{now.astimezone(ZoneInfo(entry_zone)):%Y-%m}")
    if limit:
        _tell_budget(con, None, total_spending(spent[zone].values()), limit, f"{now.astimezone(ZoneInfo(zone)):%Y-%m}")


def _spelled(limit: float) -> str:
    """A limit in a key: all of its digits, or a limit of millions would be the same as the next one."""
    return f"{limit:.15g}"


def _tell_budget(
    con: duckdb.DuckDBPyConnection, task_key: str | None, spent: Spending, limit: float, month: str
) -> None:
    reached = next((level for level in _LEVELS if spent.counted >= limit * level / 100 - _ROUNDING), None)
    if reached is None:
        return
    of = f"{task_key or ALL_TASKS}/{month}/{_spelled(limit)}"
    higher = [f"{AlertEvent.CREDIT_LIMIT}/{of}/{level}" for level in _LEVELS if level > reached]
    if con.execute("select 1 from linkt.alerts where event_key in (select unnest(?::varchar[]))", [higher]).fetchall():
        return  # what was estimated has become less since
    facts = {
        "percent": reached,
        "credits": spent.counted,
        "estimated": spent.estimated_credits,
        "limit": limit,
        "month": month,
    }
    tell(con, Alert(AlertEvent.CREDIT_LIMIT, f"{of}/{reached}", facts, task_key))
