"""Execute tasks through Dagster and say how it went: the body of ``run`` and of ``demo``."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.cli.dagster_run import JobResult, run_job
from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.errors import PaidButUnfinishedError, disk_error
from linkt_pipeline.cli.output import echo, make_console, print_table
from linkt_pipeline.cli.progress import showing_progress
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.owed_outcomes import owed_outcomes
from linkt_pipeline.tasks import TaskSpec

# To be formatted with the relations. $2 is a moment by this machine's clock, $4 how far the ledger's is ahead of it.
_LAST_EXECUTIONS = """
    select
        execution.task_key,
        coalesce(run.status_normalised, run.status, execution.run_status, execution.state) as status,
        cost.credits,
        count(distinct named.resource_id) filter (named.resource_type = 'entity') as entities,
        count(distinct named.resource_id) filter (named.resource_type = 'signal') as signals,
        count(distinct named.resource_id) filter (named.state = 'landed') as landed,
        execution.run_id
    from {executions} as execution
    left join linkt.runs as run on execution.run_id = run.run_id
    left join {costs} as cost on execution.run_id = cost.run_id
    left join linkt.run_resources as named on execution.run_id = named.run_id
    where execution.task_key in (select unnest($1))
        and (
            coalesce(execution.finished_at, execution.intended_at) >= $2::timestamptz + $4::interval
            or execution.execution_id in (select unnest($3::varchar[]))
        )
    group by all
    order by min(execution.intended_at)
"""


def execute(
    deployment: Deployment, tasks: Mapping[str, TaskSpec], *, again: bool = False, over_budget: bool = False
) -> int:
    """Execute the tasks of a prepared deployment, land and publish; print what failed, then a line a task.

    Args:
        deployment: whose tasks they are.
        tasks: what to execute.
        again: start new runs even where the outcome of the last one is owed.
        over_budget: start runs that are expected to cost more than the limits leave.

    Returns:
        The exit code: 0, or 1 if a task or a load failed.

    Raises:
        PaidButUnfinishedError: runs ended that are paid, and a free step after them failed.
    """
    began = datetime.now(UTC)
    command = Owner.this_process().name
    owed = [] if again else _owed(deployment, tasks)
    try:
        succeeded = _execute_and_publish(deployment, tasks, command, {"again": again, "over_budget": over_budget})
    except Exception as error:
        why = error if isinstance(error, LinktPipelineError) else disk_error(error, deployment.settings.root)
        if why is not None and (unfinished := _owed_to(deployment, tasks, {command})):
            raise PaidButUnfinishedError(unfinished, why) from error
        raise
    return _conclude(deployment, tasks, began, owed, {command}, succeeded)


def execute_elsewhere(
    deployment: Deployment, tasks: Mapping[str, TaskSpec], *, again: bool = False, over_budget: bool = False
) -> int:
    """As :func:`execute`, by the Dagster that runs the deployment; this process follows it.

    Raises:
        NoDeploymentError: it can't take a run; nothing was launched.
        HandOverError: the run can no longer be followed; it goes on.
        StoppedFollowing: Ctrl-C; what was launched goes on.
        PaidButUnfinishedError: runs ended that are paid, and a free step after them failed.
    """
    from linkt_pipeline.cli.launch import RemoteDeployment

    dagster = RemoteDeployment(deployment.settings)
    began = datetime.now(UTC)
    is_here = deployment.warehouse.exists
    owed = _owed(deployment, tasks) if is_here and not again else []
    run_id = dagster.execute(tasks, again=again, over_budget=over_budget)
    with showing_progress(list(tasks)) as progress:
        result = dagster.follow(run_id, progress)
        # A sensor of the deployment does so too, if it runs; then the second one finds nothing to do.
        rest = dagster.follow(dagster.land(run_id), progress) if _paid_step_failed(result) else None
    report_failures(result)
    if rest is not None:
        report_failures(rest)
    if not deployment.warehouse.exists:
        root = deployment.settings.root
        echo(f"note: what became of each task is in the deployment; there is no warehouse in {root}")
        if result.paid and not result.succeeded:
            raise PaidButUnfinishedError(tasks)
        return 0 if result.succeeded else 1
    return _conclude(deployment, tasks, began, owed, {run_id}, result.succeeded)


def _conclude(
    deployment: Deployment,
    tasks: Mapping[str, TaskSpec],
    began: datetime,
    owed: Sequence[tuple[str, str, str | None]],
    askers: Collection[str],
    succeeded: bool,
) -> int:
    """Print what became of each task, and give the exit code."""
    try:
        print_outcome(deployment, tasks, began, [execution_id for execution_id, *_ in owed])
    except LinktPipelineError as error:  # the work is done: a failure to show it is no reason to repeat the command
        echo(f"error: what became of each task can't be shown: {error}", err=True)
    if unfinished := _owed_to(deployment, tasks, askers):
        raise PaidButUnfinishedError(unfinished)
    return 0 if succeeded else 1


def _execute_and_publish(
    deployment: Deployment, tasks: Mapping[str, TaskSpec], command: str, config: Mapping[str, bool]
) -> bool:
    with showing_progress(list(tasks)) as progress:
        job = partial(
            run_job,
            deployment.settings,
            tasks,
            observer=progress,
            on_step=progress.on_step,
            asked_by=command,
            entries=list(deployment.tasks),
        )
        result = job(
            job_name="execute_and_publish",
            partitions=True,
            run_config={"ops": {Placement().paid_step: {"config": dict(config)}}},
        )
        # Dagster skipped the free steps, although there may be ids for them to settle.
        rest = job(job_name="sync_and_publish") if _paid_step_failed(result) else None
    report_failures(result)
    if rest is not None:
        report_failures(rest)
    return result.succeeded


def _paid_step_failed(result: JobResult) -> bool:
    return any(failure.is_paid for failure in result.failures)


def _owed(deployment: Deployment, tasks: Collection[str]) -> list[tuple[str, str, str | None]]:
    with ledger_of(deployment.warehouse).read() as rows:
        return owed_outcomes(rows, tasks)


def _owed_to(deployment: Deployment, tasks: Collection[str], askers: Collection[str]) -> list[str]:
    """Tasks whose outcome is still owed to this command or to a Dagster run of it."""
    with suppress(LinktPipelineError):  # whatever keeps the warehouse shut has been or is being reported
        return [task for _, task, asked_by in _owed(deployment, tasks) if asked_by in askers]
    return []


def print_outcome(
    deployment: Deployment, tasks: Mapping[str, TaskSpec], began: datetime, owed: Collection[str]
) -> None:
    """One line per execution that ended since, or whose outcome was owed: status, credits, counts, Linkt's run id."""
    with ledger_of(deployment.warehouse).read() as ledger:
        rows = ledger.con.execute(
            _LAST_EXECUTIONS.format(executions=ledger.in_warehouse, costs=ledger.costs),
            [list(tasks), began, list(owed), ledger.clock_ahead],
        ).fetchall()
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
        echo(f"error: {failure.message}", err=True)
        if failure.unforeseen is not None:
            echo(f"({failure.unforeseen} in step {failure.step})", err=True)
    for check in result.failed_checks:
        if check.holds_back:
            echo(f"error: check failed, nothing wrong was published: {check.name}", err=True)
        elif check.is_about_models:  # names what the other checks of models say, too
            echo(f"error: {check.message}", err=True)
    if not result.succeeded:
        echo(f"Everything about it: {result.page or f'linkt-pipeline ui, run {result.run_id}'}", err=True)
