"""``linkt-pipeline run``."""

import click

from linkt_pipeline.cli.deployment import Deployment


@click.command("run")
@click.argument("names", nargs=-1, metavar="TASK...")
@click.option("--all", "every", is_flag=True, help="Execute every task of tasks.yaml.")
@click.option("--again", is_flag=True, help="Buy a new run even if the last one's rows are not published yet.")
@click.option("--over-budget", is_flag=True, help="Start runs even if the limits leave less than their expected cost.")
@click.option("--launch", is_flag=True, help="Let the deployment's Dagster execute it, and follow it from here.")
def run(names: tuple[str, ...], every: bool, again: bool, over_budget: bool, launch: bool) -> int:
    """Execute tasks of tasks.yaml, wait for them, land and publish what they find.

    Costs credits. If an earlier run of a task is still going, the command adopts it and buys no other. Ctrl-C
    leaves the Linkt runs going; the next `run` waits for them again. Until the rows of a run that ended are landed and
    published, the same command finishes that and buys nothing.

    Before each start the command shows the expected cost: the median of the task's last completed runs. If
    `monthly_credit_limit` (of the task, or of all tasks together) leaves less than that, it refuses to start the run.
    --over-budget starts it all the same, and the ledger says who did.

    With --launch, the Dagster that runs this deployment executes the tasks: the one at LINKT_DAGSTER_URL, else that of
    `linkt-pipeline ui`. Ctrl-C then only stops following.

    Exit codes: 0 done; 1 a run failed or could not be started; 2 wrong usage or configuration; 3 the runs are paid and
    ended, but not everything they found is landed and published. After 3, repeat the command: it buys nothing.

    \b
    Examples:
      linkt-pipeline run enterprise_saas_search
      linkt-pipeline run enterprise_saas_search saas_signals
      linkt-pipeline run --all
      linkt-pipeline run --launch enterprise_saas_search
    """  # noqa: D301
    deployment = Deployment.from_environment()
    if every == bool(names):
        known = ", ".join(deployment.tasks) or "none; write tasks.yaml with: linkt-pipeline tasks pull"
        raise click.UsageError(f"name the tasks to execute, or give --all. Known tasks: {known}")
    tasks = deployment.select_tasks(deployment.tasks if every else names)
    if launch:
        from linkt_pipeline.cli.execution import execute_elsewhere

        return execute_elsewhere(deployment, tasks, again=again, over_budget=over_budget)
    deployment.prepare()

    from linkt_pipeline.cli.alerting import alerts_afterwards
    from linkt_pipeline.cli.execution import execute

    with alerts_afterwards(deployment):
        return execute(deployment, tasks, again=again, over_budget=over_budget)
