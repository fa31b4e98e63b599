"""marts.credits_daily: credits by day, task and kind of action; their sum is what the runs cost."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.moments import day_of
from linkt_pipeline.audit.runs import RunFacts
from linkt_pipeline.audit.world import World

REMAINDER = "(not itemised)"
_SMALLEST = 1e-9  # what sums of fractions leave behind


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    del ids
    spent: dict[tuple[str, str | None, str | None, str], list[float]] = defaultdict(list)
    for run in world.runs:
        for action, credits in _items(run).items():
            spent[day_of(run.spent_at, world.zone_of(run.task_id)), run.task_id, world.task_of(run), action].append(
                credits
            )
    for (day, task_id, task, action), parts in spent.items():
        yield {
            "day": day,
            "task_id": task_id,
            "task": task,
            "action_type": action,
            "credits": sum(parts),
            "runs": len(parts),
        }


def _items(run: RunFacts) -> dict[str, float]:
    """What a run spent by kind of action, and what its breakdown does not explain."""
    items = dict(run.items)
    remainder = (run.credits or 0.0) - sum(items.values())
    if abs(remainder) > _SMALLEST:
        items[REMAINDER] = items.get(REMAINDER, 0.0) + remainder
    return items


CREDITS_DAILY = Mart(name="credits_daily", key=("day", "task_id", "task", "action_type"), rows=_rows)
