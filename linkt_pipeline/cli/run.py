"""``linkt-pipeline run``."""

import click

from linkt_pipeline.cli.deployment import Deployment


@click.command("run")
@click.argument("names", nargs=-1, metavar="TASK...")
@click.option("--all", "every", is_flag=True, help="Execute every task of tasks.yaml.")
def run(names: tuple[str, ...], every: bool) -> int:
    """Execute tasks of tasks.yaml, wait for them, land and publish what they find.

    Costs credits. A run that is still going from an earlier attempt is adopted instead of buying another. Ctrl-C
    leaves the Linkt runs going; the next `run` waits for them again.

    \b
    Examples:
      linkt-pipeline run enterprise_saas_search
      linkt-pipeline run enterprise_saas_search saas_signals
      linkt-pipeline run --all
    """  # noqa: D301
    deployment = Deployment.from_environment()
    if every == bool(names):
        known = ", ".join(deployment.tasks) or "none; write tasks.yaml with: linkt-pipeline tasks pull"
        raise click.UsageError(f"name the tasks to execute, or give --all. Known tasks: {known}")
    tasks = deployment.select_tasks(deployment.tasks if every else names)
    deployment.prepare()

    from linkt_pipeline.cli.execution import execute

    return execute(deployment, tasks)
