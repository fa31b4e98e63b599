"""Events that follow from a state: failing checks, stale marts, budgets. Each is told once while the state lasts."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from linkt_pipeline.alerts.state import next_due
from linkt_pipeline.alerts.texts import text_of
from linkt_pipeline.tasks import AlertChannel, CommonSettings, TaskSpec
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.outbox_state import are_checks_news, forget_checks, tell_budgets, tell_checks, tell_stale
from linkt_pipeline.warehouse.task_settings import record_settings
from tests.warehouse.deliveries import fetch

TASK = "507f1f77bcf86cd799439013"
NOW = datetime.now(UTC)


def told(warehouse: FileWarehouse) -> list[tuple[Any, ...]]:
    rows = fetch(warehouse, "select event, task_key, facts from linkt.alerts order by happened_at, event_key")
    return [(event, task, json.loads(facts)) for event, task, facts in rows]


def texts(warehouse: FileWarehouse) -> str:
    """Everything that a channel would be told."""
    channel, tried, found = AlertChannel.model_validate({"to": "json://x", "name": "x"}), [], []
    with warehouse.read() as con:
        while due := next_due(con, channel, NOW, tried):
            tried.append(due.key)
            found += text_of(due)
    return "\n".join(found)


# --- checks


def check(warehouse: FileWarehouse, **offending: int | None) -> bool:
    """What came out; gives whether it was news."""
    outcome = {f"linkt.runs: {name}": count for name, count in offending.items()}
    with warehouse.read() as con:
        news = are_checks_news(con, outcome)
    with warehouse.write() as con:
        tell_checks(con, outcome, "d1")
    return news


def test_a_check_is_told_when_it_turns_red_and_not_while_it_stays_red(warehouse: FileWarehouse) -> None:
    assert not check(warehouse, key=None)
    assert check(warehouse, key=3)
    assert not check(warehouse, key=4)

    assert told(warehouse) == [("check_failed", None, {"check": "linkt.runs: key", "offending": 3})]
    assert "The check linkt.runs: key has turned red (3 offending rows)." in texts(warehouse)


def test_a_check_that_passed_in_between_is_told_anew(warehouse: FileWarehouse) -> None:
    for offending in (1, None, 2, None):
        assert check(warehouse, key=offending, other=None)

    assert [facts["offending"] for _, _, facts in told(warehouse)] == [1, 2]
    assert fetch(warehouse, "select count(*) from linkt.alerts where over_at is not null") == [(2,)]


def test_a_check_that_was_removed_while_it_was_red_is_told_when_it_comes_back_red(warehouse: FileWarehouse) -> None:
    check(warehouse, key=1, other=1)
    with warehouse.write() as con:
        forget_checks(con, {"linkt.runs: other"})

    assert check(warehouse, key=2, other=2)
    assert [facts["offending"] for _, _, facts in told(warehouse)] == [1, 1, 2]


def test_a_check_that_was_not_run_stays_as_it_was(warehouse: FileWarehouse) -> None:
    check(warehouse, key=1)
    check(warehouse, other=None)

    assert not check(warehouse, key=1)
    assert len(told(warehouse)) == 1


# --- stale marts


def break_model(warehouse: FileWarehouse, model: str, *, problem: str = "no column jane.doe@example.com") -> None:
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.model_builds by name "
            "select $1 as model, $2 as problem, now() as problem_since, now() as built_at",
            [model, problem],
        )


def look(warehouse: FileWarehouse) -> None:
    with warehouse.write() as con:
        tell_stale(con, "d1")


def test_marts_that_become_stale_at_once_are_one_event(warehouse: FileWarehouse) -> None:
    for model in ("staging.runs", "marts.run_history", "marts.companies"):
        break_model(warehouse, model)

    look(warehouse)
    look(warehouse)

    ((event, _, facts),) = told(warehouse)
    assert (event, [name for name, _ in facts["marts"]]) == ("stale", ["marts.companies", "marts.run_history"])
    stale = "2 marts are stale\nThese can't be built and stay as last built: marts.companies, marts.run_history."
    assert stale in texts(warehouse)
    assert "jane" not in texts(warehouse)


def test_a_mart_is_told_again_only_when_it_was_built_in_between(warehouse: FileWarehouse) -> None:
    break_model(warehouse, "marts.companies")
    look(warehouse)
    break_model(warehouse, "marts.people")
    look(warehouse)
    with warehouse.write() as con:
        con.execute("update linkt.model_builds set problem = 'another' where model = 'marts.people'")
    look(warehouse)
    with warehouse.write() as con:
        con.execute(
            "update linkt.model_builds set problem_since = now() + interval 1 hour where model = 'marts.people'"
        )
    look(warehouse)

    assert [[name for name, _ in facts["marts"]] for _, _, facts in told(warehouse)] == [
        ["marts.companies"],
        ["marts.people"],
        ["marts.people"],
    ]


# --- budgets


def limit(warehouse: FileWarehouse, of_task: float | None, of_all: float | None = None) -> None:
    task = TaskSpec.model_validate({"key": "saas", "task_id": TASK, "monthly_credit_limit": of_task})
    record_settings(warehouse, CommonSettings(monthly_credit_limit=of_all), [task])


def spend(warehouse: FileWarehouse, credits: float, *, task_id: str = TASK, at: datetime = NOW) -> None:
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.runs (run_id, task_id, status, status_normalised, total_credits, created_at, "
            "updated_at, fetched_at) values (uuid()::varchar, $1, 'COMPLETED', 'COMPLETED', $2, $3, $3, $3)",
            [task_id, credits, at],
        )
        tell_budgets(con, NOW)


def levels(warehouse: FileWarehouse) -> list[tuple[str | None, int]]:
    return [(task, facts["percent"]) for event, task, facts in told(warehouse) if event == "credit_limit"]


def test_each_level_of_a_budget_is_told_once_a_month(warehouse: FileWarehouse) -> None:
    limit(warehouse, 100)

    for credits in (49, 1, 5, 25, 5, 14, 1, 10):
        spend(warehouse, credits)

    assert levels(warehouse) == [("saas", 50), ("saas", 80), ("saas", 100)]
    assert "100 of 100 credits (monthly_credit_limit) of task saas are spent" in texts(warehouse)


def test_of_levels_that_are_reached_at_once_the_highest_is_told(warehouse: FileWarehouse) -> None:
    limit(warehouse, 100)
    spend(warehouse, 85)
    with warehouse.write() as con:
        con.execute("delete from linkt.runs")  # as if what was estimated had been too much
    spend(warehouse, 60)

    assert levels(warehouse) == [("saas", 80)]


def test_all_tasks_together_have_a_budget_of_their_own(warehouse: FileWarehouse) -> None:
    limit(warehouse, 1_000, of_all=100)

    spend(warehouse, 30)
    spend(warehouse, 30, task_id="a" * 24)

    assert levels(warehouse) == [(None, 50)]
    assert "50 % of the month's credits of all tasks together are spent" in texts(warehouse)


def test_limits_of_millions_are_told_apart_and_in_full(warehouse: FileWarehouse) -> None:
    limit(warehouse, 2_000_001)
    spend(warehouse, 1_234_567.5)
    limit(warehouse, 2_000_002)

    assert levels(warehouse) == [("saas", 50), ("saas", 50)]
    assert "1234567.5 of 2000001 credits" in texts(warehouse)


def test_what_was_spent_last_month_is_not_this_months(warehouse: FileWarehouse) -> None:
    limit(warehouse, 100)
    spend(warehouse, 90, at=NOW - timedelta(days=40))

    assert levels(warehouse) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(None, 100, [("saas", 80)]), (1_000, 100, [("saas", 80)]), (100, 1_000, [("saas", 80)]), (None, 1_000, [])],
)
def test_a_new_limit_is_looked_at_when_it_is_recorded(
    warehouse: FileWarehouse, before: float | None, after: float, expected: list[tuple[str, int]]
) -> None:
    limit(warehouse, before)
    spend(warehouse, 85)
    limit(warehouse, after)

    assert levels(warehouse) == expected
