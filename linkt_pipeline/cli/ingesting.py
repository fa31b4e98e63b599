"""Ingest a file and publish what its run found: the body of ``linkt-pipeline ingest``."""

import asyncio
import getpass
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from linkt_pipeline.api import DEFAULT_RETRY_FOR
from linkt_pipeline.cli.dagster_run import run_job
from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.errors import PaidButUnfinishedError
from linkt_pipeline.cli.execution import print_outcome, report_failures
from linkt_pipeline.cli.output import echo
from linkt_pipeline.cli.progress import Progress, showing_progress
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.events import Event, format_elapsed
from linkt_pipeline.executions.interrupt import settle_interrupted
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ingest.desk import Desk
from linkt_pipeline.ingest.ingest import Checked, Ingested, Request, check_file, ingest_file
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.owed_outcomes import owed_outcomes


def check_only(deployment: Deployment, request: Request) -> int:
    """Check a file, say what ingesting it will take, and send nothing."""

    async def look() -> Checked:
        async with _desk(deployment, lambda event: None) as desk:
            return await check_file(desk, request)

    _show_check(asyncio.run(look()))
    return 0


def ingest_and_publish(deployment: Deployment, request: Request, *, over_budget: bool) -> int:
    """Ingest a file, land and publish what was found, and print what became of it.

    Returns:
        The exit code: 0, or 1 if the run failed.

    Raises:
        LinktPipelineError: it did not come to a terminal run; repeating the command goes on from there.
        PaidButUnfinishedError: the run is paid and landed, and a free step after it failed.
        KeyboardInterrupt: the run goes on, unless the task says otherwise; the same command adopts it.
    """
    command, began = Owner.this_process().name, datetime.now(UTC)
    with showing_progress([request.task.key]) as progress:
        ingested = _ingest(deployment, request, command, over_budget, progress)
        try:
            result = run_job(
                deployment.settings,
                {request.task.key: request.task},
                "sync_and_publish",
                observer=progress,
                on_step=progress.on_step,
                asked_by=command,
                entries=list(deployment.tasks),
            )
        except LinktPipelineError as error:
            raise PaidButUnfinishedError([request.task.key], error, again=_again(request)) from error
    report_failures(result)
    execution_id = ingested.execution.execution_id
    print_outcome(deployment, {request.task.key: request.task}, began, [execution_id])
    if ingested.error is not None:
        echo(f"error: {ingested.error}", err=True)
    with ledger_of(deployment.warehouse).read() as rows:
        owed = [task for _, task, asked_by in owed_outcomes(rows, [request.task.key]) if asked_by == command]
    if owed:
        raise PaidButUnfinishedError(owed, again=_again(request))
    bought = "bought now" if ingested.bought else "bought before; nothing was uploaded or bought again"
    echo(f"{ingested.ingest.file_name}: run {ingested.run.id}, {bought}")
    return 0 if result.succeeded and ingested.error is None else 1


def _ingest(deployment: Deployment, request: Request, command: str, over_budget: bool, progress: Progress) -> Ingested:
    worker: Worker | None = None

    async def work() -> Ingested:
        nonlocal worker
        async with _desk(deployment, progress.on_event, command, over_budget) as desk:
            worker = desk.worker
            checked = await check_file(desk, request)
            _show_check(checked)
            return await ingest_file(desk, request, checked)

    async def settle(interrupted: Worker) -> None:
        async with _desk(deployment, progress.on_event) as desk:
            await settle_interrupted(interrupted, desk.worker.client, [request.task], by_person=False)

    try:
        return asyncio.run(work())
    except (KeyboardInterrupt, asyncio.CancelledError):
        if worker is not None:
            asyncio.run(settle(worker))
        raise KeyboardInterrupt from None


@asynccontextmanager
async def _desk(
    deployment: Deployment, report: Callable[[Event], None], command: str | None = None, over_budget: bool = False
) -> AsyncIterator[Desk]:
    async with deployment.client(retry_for=DEFAULT_RETRY_FOR) as client:
        yield Desk(
            Worker(
                client,
                deployment.warehouse,
                ledger_of(deployment.warehouse),
                report,
                asker=command,
                entries=frozenset(deployment.tasks),
                common=deployment.common,
                over_budget_by=_person() if over_budget else None,
            )
        )


def _again(request: Request) -> str:
    return f"linkt-pipeline ingest --again {request.path} --task {request.task.key}"


def _person() -> str:
    try:
        return f"user {getpass.getuser()}"
    except (KeyError, OSError):  # a container's user id without a name
        return f"user {os.getuid()}"


def _show_check(checked: Checked) -> None:
    """Print what the check of a file found, and what ingesting it will take."""
    source, expected = checked.source, checked.expected
    echo(
        f"{source.name}: {len(source.rows):,} rows, {len(source.columns)} columns, primary column "
        f"{checked.primary_column!r}"
    )
    for warning in checked.warnings:
        echo(f"warning: {warning}")
    if checked.repeated:
        names = ", ".join(repr(name) for name in list(checked.repeated)[:5])
        echo(
            f"warning: {len(checked.repeated):,} values of the primary column stand in several rows ({names}); Linkt "
            "may charge each row"
        )
    credits = "an unknown number of" if expected.credits is None else f"{expected.credits:,.4g}"
    duration = format_elapsed(timedelta(minutes=expected.minutes))
    echo(f"expected: about {duration} at a minute a row, and {credits} credits ({expected.basis})")
