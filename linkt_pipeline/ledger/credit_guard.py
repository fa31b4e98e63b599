"""The credit guard: a run is bought only if ``monthly_credit_limit``, of its task and of all tasks, has room for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from linkt_pipeline.ledger.rows import LedgerRows
from linkt_pipeline.ledger.values import CreditLimitReachedError, Execution, Intention
from linkt_pipeline.tasks import CommonSettings
from linkt_pipeline.warehouse.credits import Spending, expected_credits, spending_by_task, total_spending


@dataclass(frozen=True)
class Budget:
    """What a run is expected to cost, and what the limits leave for it. All in credits.

    Attributes:
        expected: the expected cost; None if unknown.
        rest: what the tightest limit leaves; None without a limit.
        over_budget_by: who starts the run although the rest is too small.
    """

    expected: float | None
    rest: float | None
    over_budget_by: str | None


class Limited(Protocol):
    """What spends credits: an entry of tasks.yaml, or the intention to buy a run of it."""

    @property
    def task_id(self) -> str:
        """Linkt's id of the task."""

    @property
    def monthly_credit_limit(self) -> float | None:
        """Its own limit, if it has one."""

    @property
    def timezone(self) -> str:
        """The zone of its months."""


@dataclass(frozen=True)
class Limit:
    """A limit that a new run must keep, and how much of it is spent.

    Attributes:
        credits: the limit.
        spent: what counts towards the limit in this month.
        timezone: the zone of the month.
        whose: words for a message that say whom the limit is for.
    """

    credits: float
    spent: Spending
    timezone: str
    whose: str = ""

    @property
    def rest(self) -> float:
        """What is left; below zero if more was spent."""
        return self.credits - self.spent.counted

    @property
    def in_words(self) -> str:
        """What is spent, for a message."""
        return f"{self.spent.counted:g} of {self.credits:g} credits (monthly_credit_limit) {self.whose}are spent"

    def leaves_room(self, expected: float | None) -> bool:
        """Whether the limit has room for a run of this expected cost; the cost is None if unknown."""
        return self.spent.leaves_room(self.credits, expected)


def limits_on(rows: LedgerRows, buyer: Limited, common: CommonSettings) -> list[Limit]:
    """The limits on a new run: that of its task, then that of all tasks together."""
    limits: list[Limit] = []
    if buyer.monthly_credit_limit is None and common.monthly_credit_limit is None:
        return limits
    con, now, costs = rows.con, rows.now, rows.costs
    if (own := buyer.monthly_credit_limit) is not None:
        # By Linkt task and not by entry: entries of one Linkt task spend the same budget.
        spent = spending_by_task(con, now, buyer.timezone, costs=costs).get(buyer.task_id.lower(), Spending())
        limits.append(Limit(own, spent, buyer.timezone))
    if (of_all := common.monthly_credit_limit) is not None:
        spent = total_spending(spending_by_task(con, now, common.timezone, costs=costs).values())
        limits.append(Limit(of_all, spent, common.timezone, "of all tasks together "))
    return limits


def budget_of(rows: LedgerRows, intention: Intention, permission_used_for: Execution | None = None) -> Budget:
    """The budget of a new run, in the transaction that writes it down.

    Open runs count as spent. So two starts at the same moment can't both use a rest that is enough for one run.

    Args:
        rows: the transaction.
        intention: the new run.
        permission_used_for: what the permission to go over budget has bought already; it buys nothing more.

    Raises:
        CreditLimitReachedError: a limit leaves less than the run will cost, and nobody may go over budget.
    """
    # Only landed runs say what the next one will cost, and those are in the warehouse wherever the ledger is.
    expected = expected_credits(rows.con, intention.task_id)
    limits = limits_on(rows, intention, intention.common)
    # Both limits must have room: the one of all tasks can be used up by other tasks alone.
    beyond = [limit for limit in limits if not limit.leaves_room(expected)]
    if beyond and (intention.over_budget_by is None or permission_used_for is not None):
        raise CreditLimitReachedError(_limit_reached(intention, beyond[0], expected, rows.now, permission_used_for))
    return Budget(
        expected,
        min((limit.rest for limit in limits), default=None),
        intention.over_budget_by if beyond else None,
    )


def _limit_reached(
    intention: Intention, limit: Limit, expected: float | None, now: datetime, permission_used_for: Execution | None
) -> str:
    spent = limit.spent
    estimated = (
        f" ({spent.estimated_credits:g} of them estimated: a run that is open or states no cost counts as the "
        "median of the task's runs)"
        if spent.estimated_runs
        else ""
    )
    too_much = (
        ""
        if spent.reaches(limit.credits)
        else f"; {limit.rest:g} are left, and the run is expected to cost {expected or 0:g} (median of the "
        "task's last runs)"
    )
    used = "" if permission_used_for is None else f" (over_budget was good for one run, {permission_used_for.run_id})"
    month = f"{now.astimezone(ZoneInfo(limit.timezone)):%B %Y}"
    return (
        f"task {intention.task_key}: {limit.in_words} in {month}{estimated}{too_much}, so no new run is started{used}; "
        "raise the limit in tasks.yaml, wait for the next month, or start it all the same: linkt-pipeline run "
        f"--over-budget {intention.task_key}"
    )
