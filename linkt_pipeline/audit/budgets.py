"""What tasks.yaml says about tasks, as the warehouse kept it when the models were built."""

from collections import defaultdict
from dataclasses import dataclass

from linkt_pipeline.audit.landed import Landed


@dataclass(frozen=True, slots=True)
class Budget:
    """What the entries of one Linkt task say.

    Attributes:
        timezone: of its days and months.
        limit: credits a month; None without a limit.
    """

    timezone: str
    limit: float | None


def read_timezone(landed: Landed) -> str:
    """The time zone of the deployment."""
    if not landed.columns("linkt", "settings"):
        return "UTC"
    rows = landed.rows("select value from linkt.settings where name = 'timezone' and value is not null")
    return str(rows[0][0]) if rows else "UTC"


def read_common_limit(landed: Landed) -> float | None:
    """Credits a month of all tasks together; None without a limit."""
    if not landed.columns("linkt", "settings"):
        return None
    rows = landed.rows("select value from linkt.settings where name = 'monthly_credit_limit' and value is not null")
    return float(rows[0][0]) if rows else None


def read_budgets(landed: Landed, timezone: str) -> dict[str, Budget]:
    """By Linkt task, in lower case. Entries that disagree about the zone leave it to the deployment's."""
    if not landed.columns("linkt", "task_entries"):
        return {}
    zones: dict[str, set[str]] = defaultdict(set)
    limits: dict[str, list[float]] = defaultdict(list)
    for task_id, zone, limit in landed.rows("select task_id, timezone, monthly_credit_limit from linkt.task_entries"):
        zones[task_id.lower()].add(zone)
        if limit is not None:
            limits[task_id.lower()].append(limit)
    return {
        task_id: Budget(next(iter(found)) if len(found) == 1 else timezone, min(limits[task_id], default=None))
        for task_id, found in zones.items()
    }
