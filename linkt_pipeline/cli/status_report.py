"""What ``status`` knows, read under one short open of the warehouse."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG

import duckdb

from linkt_pipeline.access.aside import Aside
from linkt_pipeline.access.request_usage import UsageCount, added_up, usage_on
from linkt_pipeline.alerts.state import ChannelState, channel_states
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.rows import LedgerRows
from linkt_pipeline.settings import Settings
from linkt_pipeline.tasks import CommonSettings, TaskSpec
from linkt_pipeline.warehouse.credits import Spending, spending_by_task, total_spending
from linkt_pipeline.warehouse.publish.reader import published_at
from linkt_pipeline.warehouse.queries import Settlement, malformed_ids, settlements
from linkt_pipeline.warehouse.warehouse import Warehouse

INSTANCE_FOLDERS = ("history", "storage", "schedules")  # Dagster's, as it makes them by itself


@dataclass(frozen=True)
class OpenExecution:
    """An open execution: its run goes on, or it is not known yet whether it made a run."""

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
    """What a task spent in this month, and its ``monthly_credit_limit``.

    Attributes:
        task: the entry of tasks.yaml, else the name of the Linkt task. Entries of one Linkt task share what it spent.
        credits: what its runs state that they cost.
        runs: how many there are; runs that are still open included.
        limit: of this entry.
        estimated_credits: expected cost of runs that are open or state no cost; it counts too.
        estimated_runs: how many these are.
        limit_reached: no new run is started this month.
        timezone: the zone of the month: that of the entry, else that of the deployment.
    """

    task: str
    credits: float
    runs: int
    limit: float | None
    estimated_credits: float
    estimated_runs: int
    limit_reached: bool
    timezone: str = "UTC"


@dataclass(frozen=True)
class ApiUsage:
    """Requests of this UTC day, and the limits that are set."""

    endpoints: list[UsageCount]
    requests: int
    daily_limit: int | None
    requests_per_minute: int | None


@dataclass(frozen=True)
class StaleModel:
    """A model that can't be built, or a file that names none. Its table is that of ``built_at``, if there is one."""

    model: str
    problem: str
    since: datetime
    built_at: datetime | None


@dataclass(frozen=True)
class UnfinishedErasure:
    """An erasure that has not come to its end. What is to be erased is not shown.

    Attributes:
        erasure_id: its row in linkt.erasures.
        kind: what was asked for: email, entity, domain or retention.
        since: when it was asked for.
        phase: how far it has come: intended, removed or forgotten.
        last_error: why it could not be finished; None if it was interrupted, or another process is working on it.
    """

    erasure_id: str
    kind: str
    since: datetime
    phase: str
    last_error: str | None


@dataclass(frozen=True)
class DiskUse:
    """What the deployment's folder takes, in bytes of its files.

    Attributes:
        warehouse: the DuckDB file with its log.
        published: the published copy, Parquet files included.
        instance: what Dagster keeps of its runs; nothing where it keeps that in a database of its own.
    """

    warehouse: int
    published: int
    instance: int


@dataclass(frozen=True)
class StatusReport:
    """The state of a deployment. Times are aware, in UTC.

    Attributes:
        sandbox: everything in it is made up.
        resources: named ids by resource type and state.
        rejected: reasons of the rejected ones, most frequent first.
        malformed_ids: how many of the rejected are no ids at all.
        stale_models: models that can't be built now.
        unfinished_erasures: those that the next command goes on with, oldest first.
        disk: what all of it takes.
        last_sync: when runs were last collected from the API, or a look for them found none.
        snapshot_as_of: the moment that the published snapshot shows.
        alerts: the state of each channel of tasks.yaml.
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
    stale_models: list[StaleModel]
    unfinished_erasures: list[UnfinishedErasure]
    disk: DiskUse
    last_sync: datetime | None
    snapshot: str | None
    snapshot_as_of: datetime | None
    alerts: list[ChannelState]


def read_status(
    warehouse: Warehouse,
    settings: Settings,
    tasks: Mapping[str, TaskSpec],
    now: datetime,
    common: CommonSettings | None = None,
) -> StatusReport:
    """The state of a deployment as of ``now``; ``common`` is what tasks.yaml says of all tasks together.

    Raises:
        WarehouseError: the file is busy, of a newer version, or no warehouse.
    """
    today, aside = now.astimezone(UTC).date(), Aside(warehouse)
    disk = disk_use(settings, warehouse)
    with ledger_of(warehouse).read() as rows:
        con = rows.con
        usage = added_up([*usage_on(con, today), *aside.requests_on(today)])
        usage.sort(key=lambda count: (-count.requests, count.endpoint))
        snapshot = settings.snapshot_path if settings.snapshot_path.exists() else None
        return StatusReport(
            as_of=now,
            sandbox=settings.sandbox,
            warehouse=warehouse.place,
            open_executions=_open_executions(rows),
            resources=settlements(con),
            rejected=_reject_reasons(con),
            malformed_ids=malformed_ids(con),
            credits_this_month=_credits(rows, tasks, now, common or CommonSettings()),
            api_today=ApiUsage(
                usage,
                sum(row.requests for row in usage),
                settings.daily_request_limit,
                settings.requests_per_minute,
            ),
            stale_models=_stale_models(con),
            unfinished_erasures=_unfinished_erasures(con),
            disk=disk,
            last_sync=max(filter(None, [_last_sync(con), aside.last_look()]), default=None),
            snapshot=str(snapshot) if snapshot else None,
            snapshot_as_of=published_at(snapshot) if snapshot else None,
            alerts=channel_states(con, common.alerts if common else [], now),
        )


def disk_use(settings: Settings, warehouse: Warehouse) -> DiskUse:
    """What the deployment's files take now."""
    return DiskUse(
        warehouse=warehouse.size(),
        published=_size(settings.published_dir),
        instance=sum(_size(settings.root / name) for name in INSTANCE_FOLDERS),
    )


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; links and what is gone by now count nothing."""
    total = 0
    for found in [path, *path.rglob("*")]:
        with suppress(FileNotFoundError):
            status = found.lstat()
            total += status.st_size if S_ISREG(status.st_mode) else 0
    return total


def _open_executions(rows: LedgerRows) -> list[OpenExecution]:
    found = rows.con.execute(
        f"""
        select
            execution.task_key,
            execution.state,
            execution.run_id,
            coalesce(run.status, execution.run_status),  -- `sync` may have landed the run since anyone waited for it
            coalesce(execution.started_at, execution.intended_at),
            execution.last_error
        from {rows.in_warehouse} as execution
        left join linkt.runs as run on execution.run_id = run.run_id
        where execution.state in ('intended', 'unknown', 'started')
        order by execution.intended_at
        """  # noqa: S608
    ).fetchall()
    return [
        OpenExecution(task, state, run, status, _utc(since), error) for task, state, run, status, since, error in found
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


def _credits(
    ledger: LedgerRows, tasks: Mapping[str, TaskSpec], now: datetime, common: CommonSettings
) -> list[MonthlyCredits]:
    """A row for each entry of tasks.yaml that spent something or has a limit, and for each other Linkt task.

    Where all tasks together have a limit, the first row is their sum.
    """
    zones = {common.timezone, *(task.timezone for task in tasks.values())}
    spent = {zone: spending_by_task(ledger.con, now, zone, costs=ledger.costs) for zone in zones}
    entries = {task.task_id for task in tasks.values()}
    # If an entry was pointed at another Linkt task, its name now means the new task.
    names = {task_id: name for task_id, name in _names_of_tasks(ledger).items() if name not in tasks}
    rows = [
        _monthly(key, spent[task.timezone].get(task.task_id, Spending()), task.monthly_credit_limit, task.timezone)
        for key, task in tasks.items()
        if task.task_id in spent[task.timezone] or task.monthly_credit_limit is not None
    ]
    rows += [
        _monthly(names.get(task_id, task_id) if task_id else "(no task)", spending, None, common.timezone)
        for task_id, spending in spent[common.timezone].items()
        if task_id not in entries
    ]
    rows.sort(key=lambda row: (-row.credits, row.task))
    if (limit := common.monthly_credit_limit) is not None:
        spent_by_all = total_spending(spent[common.timezone].values())
        rows.insert(0, _monthly("(all tasks together)", spent_by_all, limit, common.timezone))
    return rows


def _monthly(name: str, spent: Spending, limit: float | None, timezone: str) -> MonthlyCredits:
    return MonthlyCredits(
        name,
        spent.credits,
        spent.runs,
        limit,
        spent.estimated_credits,
        spent.estimated_runs,
        limit_reached=limit is not None and spent.reaches(limit),
        timezone=timezone,
    )


def _names_of_tasks(ledger: LedgerRows) -> dict[str, str]:
    """What to call Linkt tasks that tasks.yaml does not have: as Linkt does, else as the entry that last ran one."""
    rows = ledger.con.execute(
        f"""
        select task_id, coalesce(task.name, started.task_key)
        from linkt.tasks as task
        full join (
            select task_id, arg_max(task_key, intended_at) as task_key
            from {ledger.in_warehouse} group by task_id
        ) as started using (task_id)
        where coalesce(task.name, started.task_key) is not null
        """  # noqa: S608
    ).fetchall()
    return dict(rows)


def _stale_models(con: duckdb.DuckDBPyConnection) -> list[StaleModel]:
    rows = con.execute(
        "select model, problem, problem_since, built_at from linkt.model_builds "
        "where problem is not null order by model"
    ).fetchall()
    return [
        StaleModel(model, problem, _utc(since), _utc(built) if built else None) for model, problem, since, built in rows
    ]


def _unfinished_erasures(con: duckdb.DuckDBPyConnection) -> list[UnfinishedErasure]:
    rows = con.execute(
        "select erasure_id, kind, asked_at, phase, last_error from linkt.erasures "
        "where phase <> 'finished' order by asked_at, erasure_id"
    ).fetchall()
    return [UnfinishedErasure(id_, kind, _utc(asked_at), phase, error) for id_, kind, asked_at, phase, error in rows]


def _last_sync(con: duckdb.DuckDBPyConnection) -> datetime | None:
    row = con.execute("select updated_at from linkt.sync_state where name = 'runs'").fetchone()
    return _utc(row[0]) if row else None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
