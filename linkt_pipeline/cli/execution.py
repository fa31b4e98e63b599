"""Execute tasks through Dagster and say how it went: the body of ``run`` and of ``demo``."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from linkt_pipeline.cli.dagster_run import JobResult, run_job
from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.output import make_console, print_table
from linkt_pipeline.cli.progress import showing_progress
from linkt_pipeline.config import TaskSpec

_LAST_EXECUTIONS = """
    select
        execution.task_key,
        coalesce(run.status_normalised, run.status, execution.run_status, execution.state) as status,
        cost.credits,
        count(distinct named.resource_id) filter (named.resource_type = 'entity') as entities,
        count(distinct named.resource_id) filter (named.resource_type = 'signal') as signals,
        count(distinct named.resource_id) filter (named.state = 'landed') as landed,
        execution.run_id
    from linkt.executions as execution
    left join linkt.runs as run on execution.run_id = run.run_id
    left join linkt.run_costs as cost on execution.run_id = cost.run_id
    left join linkt.run_resources as named on execution.run_id = named.run_id
    where execution.task_key in (select unnest($1))
        and coalesce(execution.finished_at, execution.intended_at) >= $2
    group by all
    order by min(execution.intended_at)
"""


def execute(deployment: Deployment, tasks: Mapping[str, TaskSpec]) -> int:
    """Execute the tasks of a prepared deployment, land and publish; print what failed, then a line a task.

    Returns:
        The exit code: 0, or 1 if a task or a load failed.
    """
    began = datetime.now(UTC)
    with showing_progress(list(tasks)) as progress:
        result = run_job(
            deployment.settings,
            tasks,
            "execute_and_publish",
            observer=progress,
            on_step=progress.on_step,
            partitions=True,
        )
        rest = _sync(deployment, tasks, progress) if _paid_step_failed(result) else None
    report_failures(result)
    if rest is not None:
        report_failures(rest)
    print_outcome(deployment, tasks, began)
    return 0 if result.succeeded else 1


def _paid_step_failed(result: JobResult) -> bool:
    """Whether the free steps were skipped, although there may be something for them to settle."""
    return any(failure.step.endswith("executions") for failure in result.failures)


def _sync(deployment: Deployment, tasks: Mapping[str, TaskSpec], progress: Any) -> JobResult:
    return run_job(deployment.settings, tasks, "sync_and_publish", observer=progress, on_step=progress.on_step)


def print_outcome(deployment: Deployment, tasks: Mapping[str, TaskSpec], began: datetime) -> None:
    """One line per task: status, credits, counts, and the id to look it up by."""
    with deployment.warehouse.read() as con:
        rows = con.execute(_LAST_EXECUTIONS, [list(tasks), began]).fetchall()
    console = make_console()
    print_table(
        console,
        "Tasks",
        ("task", "status", "credits", "entities", "signals", "landed", "Linkt run"),
        rows,
        right=("credits", "entities", "signals", "landed"),
    )


def report_failures(result: JobResult) -> None:
    """What failed in a Dagster run, on stderr, with the id the UI knows it by."""
    for failure in result.failures:
        click.echo(f"error: {failure.message}", err=True)
        if failure.is_unexpected:
            click.echo(f"({failure.error} in step {failure.step})", err=True)
    for check in result.failed_checks:
        click.echo(f"error: check failed, nothing wrong was published: {check}", err=True)
    if not result.succeeded:
        click.echo(f"Everything about it: linkt-pipeline ui, run {result.run_id}", err=True)
