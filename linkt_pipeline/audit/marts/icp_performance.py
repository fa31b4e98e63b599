"""marts.icp_performance: what each ICP brings for its credits, month by month."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from linkt_pipeline.audit.landed import pieces
from linkt_pipeline.audit.marts.accounts import account_ids, account_rows
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.moments import month_of
from linkt_pipeline.audit.roots import PERSON
from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.wire import part, text
from linkt_pipeline.audit.world import World, moment
from linkt_pipeline.plain_text import word


@dataclass(slots=True)
class _Month:
    runs: int = 0
    credits: float = 0.0
    new: int = 0
    qualified: Any = 0
    people: int = 0
    known: int = 0


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    del ids
    months: dict[tuple[str, str | None], _Month] = defaultdict(_Month)
    for run in world.runs:
        month = months[month_of(run.spent_at, world.zone_of(run.task_id)), run.icp_id]
        month.runs += run.is_success is not None
        month.credits += run.credits or 0.0
    _count_companies(world, months)
    targets = _targets(world)
    for (first_day, icp_id), month in months.items():
        target = targets.get(icp_id or "")
        people = month.people / month.new if month.new else None
        yield {
            "month": first_day,
            "icp_id": icp_id,
            "icp_name": world.icp_names.get(icp_id) if icp_id else None,
            "runs": month.runs,
            "credits": month.credits,
            "new_companies": month.new,
            "qualified_companies": month.qualified,
            "known_companies": month.known,
            "credits_per_new_company": month.credits / month.new if month.new else None,
            "credits_per_qualified": _per(month.credits, month.qualified),
            "people_per_company": people,
            "target_people_per_company": target,
            "gap": None if target is None or people is None else target - people,
        }


def _count_companies(world: World, months: dict[tuple[str, str | None], _Month]) -> None:
    for piece in pieces(account_ids(world)):
        for account in account_rows(world, piece):
            if account["first_seen_at"] is not None:
                month = months[month_of(account["first_seen_at"], world.timezone), account["icp_id"]]
                month.new += 1
                month.people += account["people_count"]
                unsure = UNSURE in (month.qualified, account["is_qualified"])
                month.qualified = UNSURE if unsure else month.qualified + account["is_qualified"]
    for piece in pieces([copy for copies in world.copies_of.values() for copy in copies]):
        for body in world.entities(piece).values():
            first_seen_at = moment(body, "created_at")
            if first_seen_at is not None:
                months[month_of(first_seen_at, world.timezone), text(body.body, "icp_id")].known += 1


def _per(credits: float, number: Any) -> Any:
    return UNSURE if number is UNSURE else credits / number if number else None


def _targets(world: World) -> dict[str, int]:
    """People wanted for each company, by ICP."""
    found: dict[str, int] = {}
    for icp in world.landed.bodies("icps", "icp_id"):
        targets = icp.body.get("entity_targets")
        for target in targets if isinstance(targets, list) else []:
            count = part(target, "desired_count")
            if word(text(target, "entity_type")) == PERSON and isinstance(count, int):
                found[icp.id] = found.get(icp.id, 0) + count
    return found


ICP_PERFORMANCE = Mart(name="icp_performance", key=("month", "icp_id"), rows=_rows)
