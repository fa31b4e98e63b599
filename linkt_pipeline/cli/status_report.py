"""What ``status`` knows, read under one short open of the warehouse."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from linkt_pipeline.config import Settings, TaskSpec
from linkt_pipeline.warehouse.connection import Warehouse
from linkt_pipeline.warehouse.published import published_at
from linkt_pipeline.warehouse.queries import Settlement, malformed_ids, settlements
from linkt_pipeline.warehouse.usage import UsageCount, usage_on


@dataclass(frozen=True)
class OpenExecution:
    """An attempt to start a run that is not settled: its run goes on, or it is not known yet whether there is one."""

    task: str
    state: str
    run_id: str | None
    run_status: str | None
    since: datetime
    last_error: str | None


@dataclass(frozen=True)
class RejectReason:
    """Ids that were rejected for one reason, with one of them."""

    resource_type: str
    reason: str
    count: int
    example_id: str


@dataclass(frozen=True)
class MonthlyCredits:
    """What a task spent in this UTC month, and its ``monthly_credit_limit``."""

    task: str
    credits: float
    runs: int
    limit: float | None


@dataclass(frozen=True)
class ApiUsage:
    """Requests of this UTC day, and the limits that are set."""

    endpoints: list[UsageCount]
    requests: int
    daily_limit: int | None
    requests_per_minute: int | None


@dataclass(frozen=True)
class StatusReport:
    """The state of a deployment. Times are aware, in UTC.

    Attributes:
        sandbox: everything in it is made up.
        resources: named ids by resource type and state.
        rejected: reasons of the rejected ones, most frequent first.
        malformed_ids: how many of the rejected are no ids at all.
        last_sync: when runs were last collected from the API.
        snapshot_as_of: the moment that the published snapshot shows.
    """

    as_of: datetime
    sandbox: bool
    warehouse: str
    open_executions: list[OpenExecution]
    resources: dict[str, Settlement]
    rejected: list[RejectReason]
    malformed_ids: int
    credits_this_month: list[MonthlyCredits]
    api_today: ApiUsage
    last_sync: datetime | None
    snapshot: str | None
    snapshot_as_of: datetime | None


def read_status(warehouse: Warehouse, settings: Settings, tasks: Mapping[str, TaskSpec], now: datetime) -> StatusReport:
    """The state of a deployment as of ``now``.

    Raises:
        WarehouseError: the file is busy, of a newer version, or no warehouse.
    """
    with warehouse.read() as con:
        usage = usage_on(con, now.astimezone(UTC).date())
        snapshot = settings.snapshot_path if settings.snapshot_path.exists() else None
        return StatusReport(
            as_of=now,
            sandbox=settings.sandbox,
            warehouse=str(warehouse.path),
            open_executions=_open_executions(con),
            resources=settlements(con),
            rejected=_reject_reasons(con),
            malformed_ids=malformed_ids(con),
            credits_this_month=_credits(con, tasks, now),
            api_today=ApiUsage(
                usage,
                sum(row.requests for row in usage),
                settings.daily_request_limit,
                settings.requests_per_minute,
            ),
            last_sync=_last_sync(con),
            snapshot=str(snapshot) if snapshot else None,
            snapshot_as_of=published_at(snapshot) if snapshot else None,
        )


def _open_executions(con: duckdb.DuckDBPyConnection) -> list[OpenExecution]:
    rows = con.execute(
        """
        select
            execution.task_key,
            execution.state,
            execution.run_id,
            coalesce(run.status, execution.run_status),  -- `sync` may have landed the run since anyone waited for it
            coalesce(execution.started_at, execution.intended_at),
            execution.last_error
        from linkt.executions as execution
        left join linkt.runs as run on execution.run_id = run.run_id
        where execution.state in ('intended', 'unknown', 'started')
        order by execution.intended_at
        """
    ).fetchall()
    return [
        OpenExecution(task, state, run, status, _utc(since), error) for task, state, run, status, since, error in rows
    ]


def _reject_reasons(con: duckdb.DuckDBPyConnection) -> list[RejectReason]:
    rows = con.execute(
        """
        select resource_type, reason, count(*), min(resource_id)
        from linkt.rejects
        group by all
        order by count(*) desc, resource_type, reason
        limit 20
        """
    ).fetchall()
    return [RejectReason(*row) for row in rows]


def _credits(con: duckdb.DuckDBPyConnection, tasks: Mapping[str, TaskSpec], now: datetime) -> list[MonthlyCredits]:
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    shared = Counter(task.task_id for task in tasks.values())
    # A run started elsewhere belongs to the entry of its Linkt task, unless several entries execute that task.
    entries = {task.task_id: key for key, task in tasks.items() if shared[task.task_id] == 1}
    rows = con.execute(
        """
        select
            coalesce(execution.task_key, entry.task_key, task.name, run.task_id, '(no task)') as task,
            coalesce(sum(run.total_credits), 0) as credits,
            count(*) as runs
        from linkt.runs as run
        left join (
            select run_id, min(task_key) as task_key from linkt.executions where run_id is not null group by run_id
        ) as execution on run.run_id = execution.run_id
        left join (
            select unnest($2::varchar[]) as task_id, unnest($3::varchar[]) as task_key
        ) as entry on run.task_id = entry.task_id
        left join linkt.tasks as task on run.task_id = task.task_id
        where run.created_at >= $1
        group by 1
        order by credits desc, task
        """,
        [month, list(entries), list(entries.values())],
    ).fetchall()
    spent = {task: (float(credits), int(runs)) for task, credits, runs in rows}
    spent |= {
        key: (0.0, 0) for key, task in tasks.items() if task.monthly_credit_limit is not None and key not in spent
    }
    return [
        MonthlyCredits(name, credits, runs, tasks[name].monthly_credit_limit if name in tasks else None)
        for name, (credits, runs) in spent.items()
    ]


def _last_sync(con: duckdb.DuckDBPyConnection) -> datetime | None:
    row = con.execute("select updated_at from linkt.sync_state where name = 'runs'").fetchone()
    return _utc(row[0]) if row else None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
