"""A page of runs: those of the warehouse, or those that Linkt lists now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from linkt_pipeline.errors import LinktPipelineError

if TYPE_CHECKING:
    from linkt_pipeline.api import LinktClient, Run
    from linkt_pipeline.ledger.rows import LedgerRows

Row = dict[str, Any]

SORTS = ("created_at", "updated_at", "status", "task_type")


@dataclass(frozen=True)
class RunQuestion:
    """Which runs to list, and how. What is None does not narrow the list.

    Attributes:
        created_after: the earliest time that a run may have been made at.
        created_before: the latest one.
        page: from 1.
        size: runs a page.
        sort: one of :data:`SORTS`.
        newest_first: the largest value of it first.
    """

    task_id: str | None = None
    icp_id: str | None = None
    status: str | None = None
    task_type: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    page: int = 1
    size: int = 20
    sort: str = "created_at"
    newest_first: bool = True


@dataclass(frozen=True)
class RunPage:
    """Some of the runs that fit.

    Attributes:
        runs: of this page, with the fields of :data:`FIELDS`; times are aware, in UTC.
        total: how many fit in all; None where Linkt does not say.
    """

    runs: list[Row]
    total: int | None


FIELDS = ("run_id", "task", "task_id", "icp_id", "task_type", "status", "created_at", "updated_at", "credits", "error")


class FilterNotKeptError(LinktPipelineError):
    """Linkt listed runs that were not asked for."""

    def __init__(self, name: str, wanted: str, found: str | None) -> None:
        super().__init__(
            f"asked for runs whose {name} is {wanted!r}, Linkt listed one of {found!r}: this host seems to ignore the "
            "filter. Leave out --live to ask the warehouse"
        )


# Landed runs, and those that this deployment started and that are not landed yet; to be formatted with the relations.
_RUNS = """
with runs as (
    select
        cost.run_id,
        coalesce(cost.task_key, task.name, cost.task_id) as task,
        cost.task_id,
        coalesce(run.icp_id, execution.icp_id) as icp_id,
        run.task_type,
        upper(coalesce(run.status_normalised, run.status, execution.run_status, 'PENDING')) as status,
        cost.spent_at as created_at,
        run.updated_at,
        cost.credits,
        run.error
    from {costs} as cost
    left join linkt.runs as run on cost.run_id = run.run_id
    left join {executions} as execution on cost.execution_id = execution.execution_id
    left join linkt.tasks as task on cost.task_id = task.task_id
    where cost.run_id is not null
)

select *, count(*) over () as total
from runs
where ($task_id is null or lower(task_id) = lower($task_id))
    and ($icp_id is null or lower(icp_id) = lower($icp_id))
    and ($status is null or status = upper($status))
    and ($task_type is null or lower(task_type) = lower($task_type))
    and ($created_after is null or created_at >= $created_after::timestamptz)
    and ($created_before is null or created_at <= $created_before::timestamptz)
"""


def runs_of_warehouse(rows: "LedgerRows", question: RunQuestion) -> RunPage:
    """A page of the runs that are landed, and of those that are being waited for."""
    con, runs = rows.con, _RUNS.format(costs=rows.costs, executions=rows.in_warehouse)
    direction = "desc" if question.newest_first else "asc"
    order = f"order by {question.sort} {direction} nulls last, run_id {direction}"
    given = {
        "task_id": question.task_id,
        "icp_id": question.icp_id,
        "status": question.status,
        "task_type": question.task_type,
        "created_after": question.created_after,
        "created_before": question.created_before,
    }
    cursor = con.execute(f"{runs} {order} limit {question.size} offset {(question.page - 1) * question.size}", given)
    names = [column[0] for column in cursor.description or ()]
    found = [dict(zip(names, map(_in_utc, row), strict=True)) for row in cursor.fetchall()]
    if not found and question.page > 1:  # past the end, where no row tells how many there are
        counted = con.execute(f"select count(*) from ({runs})", given).fetchone()  # noqa: S608
        total = counted[0] if counted else 0
    else:
        total = found[0]["total"] if found else 0
    return RunPage([{name: row[name] for name in FIELDS} for row in found], total)


async def runs_of_linkt(client: "LinktClient", question: RunQuestion, names: Mapping[str, str]) -> RunPage:
    """A page of the runs that Linkt lists now. A list may lag behind the runs themselves.

    Args:
        client: the API.
        question: what is asked.
        names: entries of tasks.yaml by the id of their Linkt task.

    Raises:
        FilterNotKeptError: the list holds runs that do not fit.
    """
    page = await client.list_runs_page(
        question.page,
        page_size=question.size,
        task_id=question.task_id,
        icp_id=question.icp_id,
        status=question.status,
        task_type=question.task_type,
        created_after=question.created_after,
        created_before=question.created_before,
        sort_by=question.sort,
        order=-1 if question.newest_first else 1,
    )
    for run in page.items:
        _require_fit(question, run)
    return RunPage([_row(run, names) for run in page.items], page.total)


def _require_fit(question: RunQuestion, run: "Run") -> None:
    for name, wanted, found in (
        ("task_id", question.task_id, run.task_id),
        ("icp_id", question.icp_id, run.icp_id),
        ("status", question.status, run.status.value),
        ("task_type", question.task_type, run.task_type),
    ):
        if wanted is not None and wanted.lower() != (found or "").lower():
            raise FilterNotKeptError(name, wanted, found)


def _row(run: "Run", names: Mapping[str, str]) -> Row:
    credits = run.total_credits
    if credits is None and run.credit_breakdown:
        credits = max(0.0, sum(run.credit_breakdown.values()))
    values = (
        run.id,
        names.get((run.task_id or "").lower(), run.task_id),
        run.task_id,
        run.icp_id,
        run.task_type,
        run.raw_status,
        run.created_at,
        run.updated_at,
        credits,
        run.error,
    )
    return dict(zip(FIELDS, values, strict=True))


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
