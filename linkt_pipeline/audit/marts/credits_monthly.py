"""marts.credits_monthly: what each task spends in a month, against its limit."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from linkt_pipeline.audit.budgets import read_common_limit
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.moments import local, local_date
from linkt_pipeline.audit.world import World

_OPEN = frozenset({"intended", "unknown", "started"})
_A_DAY = 86_400.0  # seconds
_DIGITS = 9
_LAST_RUNS = 20  # of a task; their median is what a run without a cost counts as


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a run cost, or is expected to cost."""

    task_id: str | None
    task: str
    day: date
    credits: float | None
    estimate: float | None

    @property
    def counted(self) -> float:
        return (self.credits or 0.0) + (self.estimate or 0.0)


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    del ids
    months: dict[tuple[date, str | None, str], list[_Cost]] = defaultdict(list)
    for cost in _costs(world):
        months[cost.day.replace(day=1), cost.task_id, cost.task].append(cost)
    for task_id, budget in world.budgets.items():
        known = sorted(each for each in world.task_names if each.lower() == task_id)
        if known and budget.limit is not None and world.as_of is not None:
            this_month = local_date(world.as_of, budget.timezone).replace(day=1)
            spelt = {(month, task) for month, _, task in months}
            if (this_month, world.task_names[known[0]]) not in spelt:
                months[this_month, known[0], world.task_names[known[0]]] = []
    common_limit = read_common_limit(world.landed)
    for (month, of_task, task), costs in months.items():
        yield {
            "month": month.isoformat(),
            "task_id": of_task,
            "task": task,
            "timezone": world.zone_of(of_task),
            "runs": len(costs),
            "credits": sum(cost.credits or 0.0 for cost in costs),
            "estimated_runs": sum(cost.estimate is not None for cost in costs),
            "estimated_credits": sum(cost.estimate or 0.0 for cost in costs),
            "all_tasks_credit_limit": common_limit,
            **_against_limit(world, month, of_task, costs),
        }


def _costs(world: World) -> Iterator[_Cost]:
    """Landed runs, and attempts that may still cost something; what states no cost at the median of its task."""
    by_task: dict[str, list[float]] = defaultdict(list)
    for run in sorted(world.runs, key=lambda run: (run.spent_at, run.run_id)):
        if run.credits is not None:
            by_task[(run.task_id or "").lower()].append(run.credits)
    every = [credits for found in by_task.values() for credits in found]

    def usual(task_id: str | None) -> float:
        known = by_task[(task_id or "").lower()][-_LAST_RUNS:] or every
        return median(known) if known else 0.0

    for run in world.runs:
        estimate = usual(run.task_id) if run.credits is None else None
        day = local_date(run.spent_at, world.zone_of(run.task_id))
        yield _Cost(run.task_id, world.task_of(run), day, run.credits, estimate)
    for execution in world.executions:
        if execution.state in _OPEN and execution.run_id not in world.run_of:
            day = local_date(execution.intended_at, world.zone_of(execution.task_id))
            name = world.task_names[execution.task_id]
            yield _Cost(execution.task_id, name, day, None, usual(execution.task_id))


def _against_limit(world: World, month: date, task_id: str | None, costs: list[_Cost]) -> dict[str, Any]:
    budget = world.budgets.get((task_id or "").lower())
    limit = budget.limit if budget else None
    counted = sum(cost.counted for cost in costs)
    now = None if world.as_of is None else local(world.as_of, world.zone_of(task_id)).replace(tzinfo=None)
    is_current = now is not None and now.date().replace(day=1) == month
    begin = datetime(month.year, month.month, 1)
    whole = ((begin + timedelta(days=31)).replace(day=1) - begin).total_seconds()
    gone = max((now - begin).total_seconds() if now else 0.0, _A_DAY)
    met_on = None if limit is None else _met_on(month, costs, limit)
    until = None
    if limit is not None and met_on is None and is_current and counted > 0 and limit / counted * gone < whole:
        until = (begin + timedelta(seconds=limit / counted * gone)).date()
    shown = met_on or until
    return {
        "counted_credits": counted,
        "monthly_credit_limit": limit,
        "share_of_limit": counted / limit if limit else None,
        "is_current": is_current,
        "projected_credits": counted * max(whole / gone, 1) if is_current else counted,
        "limit_reached": None if limit is None else met_on is not None,
        "limit_reached_on": shown and shown.isoformat(),
    }


def _met_on(month: date, costs: list[_Cost], limit: float) -> date | None:
    """The first day up to which the limit was used up."""
    if limit <= 0:
        return month
    so_far = 0.0
    for cost in sorted(costs, key=lambda cost: cost.day):
        so_far += cost.counted
        if round(so_far, _DIGITS) >= limit:
            return cost.day
    return None


CREDITS_MONTHLY = Mart(name="credits_monthly", key=("month", "task_id", "task"), rows=_rows)
