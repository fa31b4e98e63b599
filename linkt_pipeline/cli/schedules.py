"""``linkt-pipeline schedules``."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.output import echo
from linkt_pipeline.warehouse.credits import expected_credits, month_of

if TYPE_CHECKING:
    from linkt_pipeline.api import LinktClient, Schedule

_MOST_STARTS = 50_000  # a month has 44,640 minutes


@click.command("schedules")
def schedules() -> None:
    """List Linkt's own schedules, and what they will probably spend in the rest of this month (UTC). Free.

    Linkt starts these runs by itself, whatever monthly_credit_limit says. Starts are counted in UTC, Linkt's time zone.
    The cost of a start is the median of the last completed runs of its task in the warehouse.

    \b
    Examples:
      linkt-pipeline schedules
    """  # noqa: D301
    deployment = Deployment.from_environment()

    async def ask(client: "LinktClient") -> "list[Schedule]":
        return [schedule async for schedule in client.list_schedules()]

    found: list[Schedule] = deployment.ask_api(ask)
    if not found:
        echo("Linkt has no schedules")
        return
    costs = _expected_costs(deployment, {schedule.task_id for schedule in found if schedule.task_id})
    _print(found, {task.task_id: key for key, task in deployment.tasks.items()}, costs, datetime.now(UTC))


def _expected_costs(deployment: Deployment, task_ids: set[str]) -> dict[str, float | None]:
    if not deployment.warehouse.exists:
        return {}
    with deployment.warehouse.read() as con:
        return {task_id: expected_credits(con, task_id) for task_id in task_ids}


def _print(
    found: "Sequence[Schedule]", names: Mapping[str, str], costs: Mapping[str, float | None], now: datetime
) -> None:
    from linkt_pipeline.cli.output import make_console, print_table

    rows: list[Sequence[Any]] = []
    sum_known, unknown = 0.0, 0
    for schedule in found:
        starts = starts_left(schedule.cron_expression, schedule.status, now)
        cost = costs.get(schedule.task_id or "")
        credits = 0.0 if starts == 0 else None if starts is None or cost is None else starts * cost
        sum_known += credits or 0.0
        unknown += credits is None
        rows.append(
            (
                schedule.name or schedule.id,
                names.get((schedule.task_id or "").lower(), schedule.task_id),
                schedule.cron_expression,
                schedule.status,
                *("unknown" if figure is None else f"{figure:g}" for figure in (starts, cost, credits)),
            )
        )
    figures = ("starts left", "credits a start", "credits left")
    title = f"Linkt's schedules in the rest of {now:%B %Y} (UTC)"
    print_table(make_console(), title, ("schedule", "task", "cron", "status", *figures), rows, right=figures)
    schedules_left = "1 more schedule" if unknown == 1 else f"{unknown} more schedules"
    rest = f"; the cost of {schedules_left} is unknown" if unknown else ""
    echo(f"expected in the rest of the month: {sum_known:g} credits{rest}")


def starts_left(cron: str | None, status: str | None, now: datetime) -> int | None:
    """How often a schedule will start its task before the month ends, in UTC; None if that can't be told."""
    from croniter import CroniterError, croniter

    if status in ("paused", "disabled"):
        return 0
    if status != "active" or not cron or len(cron.split()) != 5:
        return None
    end = month_of(now)[1]
    try:
        moments = croniter(cron, now, ret_type=datetime)
        for count in range(_MOST_STARTS):
            if moments.get_next() >= end:
                return count
    except (CroniterError, ValueError):
        pass
    return None
