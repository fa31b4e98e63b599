"""The credit guard: no run is bought that ``monthly_credit_limit``, of its task or of all, does not leave room for."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from linkt_pipeline.ledger.rows import LedgerRows
from linkt_pipeline.ledger.values import CreditLimitReachedError, Intention
from linkt_pipeline.warehouse.credits import Spending, expected_credits, spending_by_task, total_spending


@dataclass(frozen=True)
class Budget:
    """What a run is expected to cost, and what there is for it.

    Attributes:
        expected: its cost; None if unknown.
        rest: what the tightest limit leaves; None without a limit.
        over_budget_by: who starts it although that does not do.
    """

    expected: float | None
    rest: float | None
    over_budget_by: str | None


def budget_of(rows: LedgerRows, intention: Intention) -> Budget:
    """The budget of a new run, in the transaction that writes it down.

    Runs that are open count as spent, so two starts at one moment do not both get a rest that does for one.

    Raises:
        CreditLimitReachedError: a limit leaves less than the run will cost, and nobody wants it all the same.
    """
    con, now, common = rows.con, rows.now, intention.common
    expected = expected_credits(con, intention.task_id)
    limits: list[tuple[str, Spending, float, str]] = []
    if (limit := intention.monthly_credit_limit) is not None:
        spent = spending_by_task(con, now, intention.timezone).get(intention.task_id.lower(), Spending())
        limits.append(("", spent, limit, intention.timezone))
    if (limit := common.monthly_credit_limit) is not None:
        spent = total_spending(spending_by_task(con, now, common.timezone).values())
        limits.append(("of all tasks together ", spent, limit, common.timezone))
    beyond = [each for each in limits if not each[1].leaves_room(each[2], expected)]
    if beyond and intention.over_budget_by is None:
        whose, spent, limit, zone = beyond[0]
        raise CreditLimitReachedError(_limit_reached(intention, whose, spent, limit, now, zone, expected))
    return Budget(
        expected,
        min((limit - spent.counted for _, spent, limit, _ in limits), default=None),
        intention.over_budget_by if beyond else None,
    )


def _limit_reached(
    intention: Intention, whose: str, spent: Spending, limit: float, now: datetime, zone: str, expected: float | None
) -> str:
    estimated = (
        f" ({spent.estimated_credits:g} of them estimated: a run that is open or states no cost counts as the "
        "median of the task's runs)"
        if spent.estimated_runs
        else ""
    )
    too_much = (
        ""
        if spent.reaches(limit)
        else f"; {limit - spent.counted:g} are left, and the run is expected to cost {expected or 0:g} (median of the "
        "task's last runs)"
    )
    return (
        f"task {intention.task_key}: {spent.counted:g} of {limit:g} credits (monthly_credit_limit) {whose}are spent in "
        f"{now.astimezone(ZoneInfo(zone)):%B %Y}{estimated}{too_much}, so no new run is started; raise the limit in "
        f"tasks.yaml, wait for the next month, or start it all the same: linkt-pipeline run --over-budget "
        f"{intention.task_key}"
    )
