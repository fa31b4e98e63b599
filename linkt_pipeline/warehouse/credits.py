"""What runs spent in a month, for the credit limit, ``status`` and the warnings about both.

What a run cost, when, and for which task is decided in one place, the view ``linkt.run_costs``.

A month's credits belong to a *Linkt task*, whatever its entry in tasks.yaml is called. An entry that is renamed keeps
its month. Entries of one Linkt task share its month: each compares all credits of the task with its own limit.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import duckdb

from linkt_pipeline.warehouse.sql_texts import sql_texts

_ROUNDING = 1e-9  # a sum of fractions must not refuse the run that fits exactly


@dataclass(frozen=True)
class Spending:
    """Credits of some runs.

    Attributes:
        credits: what the runs state that they cost.
        runs: how many there are; runs that are still open included.
        estimated_credits: what those are expected to cost that state nothing, or are still open.
        estimated_runs: how many these are.
    """

    credits: float = 0.0
    runs: int = 0
    estimated_credits: float = 0.0
    estimated_runs: int = 0

    @property
    def counted(self) -> float:
        """What a limit is compared with."""
        return self.credits + self.estimated_credits

    def reaches(self, limit: float) -> bool:
        """Whether a limit leaves nothing for another run."""
        return self.counted >= limit

    def leaves_room(self, limit: float, expected: float | None) -> bool:
        """Whether a limit leaves enough for a run that is expected to cost so much; None if that is unknown."""
        return not self.reaches(limit) and self.counted + (expected or 0.0) <= limit + _ROUNDING


def month_of(moment: datetime, timezone: str = "UTC") -> tuple[datetime, datetime]:
    """The first moment of the month of ``moment`` in a zone, and the first one after it; both in UTC."""
    zone = ZoneInfo(timezone)
    now = moment.astimezone(zone)
    first = datetime(now.year, now.month, 1, tzinfo=zone)
    following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=zone)
    return first.astimezone(UTC), following.astimezone(UTC)


RUN_COSTS = "linkt.run_costs"


def spending_by_task(
    con: duckdb.DuckDBPyConnection, moment: datetime, timezone: str = "UTC", *, costs: str = RUN_COSTS
) -> Mapping[str | None, Spending]:
    """What each Linkt task spent in the month of ``moment`` in a zone, by its id.

    The ids are in lower case, however a run spells its task's; None stands for runs of no known task.

    Args:
        con: any connection.
        moment: says which month it is.
        timezone: the zone of the month.
        costs: what each run cost: the view, or :func:`costs_of`.
    """
    rows = con.execute(
        f"""
        select lower(task_id) as task, coalesce(sum(credits), 0), count(*), coalesce(sum(estimated_credits), 0),
            count(estimated_credits)
        from {costs}
        where spent_at >= $1 and spent_at < $2
        group by task
        """,  # noqa: S608
        list(month_of(moment, timezone)),
    ).fetchall()
    return {task_id: Spending(*figures) for task_id, *figures in rows}


def costs_of(con: duckdb.DuckDBPyConnection, executions: str) -> str:
    """Apply the rule of ``linkt.run_costs`` to other executions.

    Args:
        con: any connection.
        executions: a relation with the columns of ``linkt.executions``.

    Returns:
        The relation with the columns of the view; for this connection alone.
    """
    text = sql_texts("linkt_pipeline.warehouse", "views")["run_costs"]
    _, _, rule = text.partition(f"create or replace view {RUN_COSTS} as")
    rule, _, _ = rule.partition(";\n")
    con.execute(f"create or replace temp view run_costs_now as {rule.replace('linkt.executions', executions)}")
    return "temp.run_costs_now"


def expected_credits(con: duckdb.DuckDBPyConnection, task_id: str) -> float | None:
    """The expected cost of a Linkt task's next run, by ``linkt.run_costs``; None if none of its runs states a cost."""
    row = con.execute(
        "select any_value(expected_credits) from linkt.run_costs where lower(task_id) = lower(?)", [task_id]
    ).fetchone()
    return row[0] if row else None


def total_spending(spent: Iterable[Spending]) -> Spending:
    """What several tasks spent, in one sum."""
    each = list(spent)
    return Spending(
        credits=math.fsum(one.credits for one in each),
        runs=sum(one.runs for one in each),
        estimated_credits=math.fsum(one.estimated_credits for one in each),
        estimated_runs=sum(one.estimated_runs for one in each),
    )
