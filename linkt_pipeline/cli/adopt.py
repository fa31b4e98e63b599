"""``linkt-pipeline adopt``."""

from typing import TYPE_CHECKING

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.known_run import look_up_run
from linkt_pipeline.cli.output import echo
from linkt_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from linkt_pipeline.api import LinktClient, Run


class ForeignRunError(ConfigError):
    """The run belongs to another Linkt task than the one that is to adopt it."""


@click.command("adopt")
@click.argument("task_name", metavar="TASK")
@click.argument("run_id", required=False)
@click.option(
    "--none",
    "no_run",
    is_flag=True,
    help="Say that the start with the lost reply made no run; the next `run` buys one.",
)
def adopt(task_name: str, run_id: str | None, no_run: bool) -> None:
    """Say by hand which Linkt run a task is waiting for.

    You need this when the reply to a start was lost and several runs could be the one it started. Until you choose
    one, nothing is started for the task. The next `run TASK` waits for the adopted run and buys nothing.

    \b
    Example:
      linkt-pipeline adopt enterprise_saas_search 6964b9b45a4d0beef1000031
      linkt-pipeline adopt enterprise_saas_search --none
    """  # noqa: D301
    deployment = Deployment.from_environment()
    task = deployment.select_tasks([task_name])[task_name]
    if no_run == bool(run_id):
        raise click.UsageError("name the run, or give --none")

    from linkt_pipeline.api import same_id
    from linkt_pipeline.ledger.choice import ledger_of
    from linkt_pipeline.ledger.values import Intention

    ledger = ledger_of(deployment.warehouse)
    intention = Intention(task.key, task.task_id, task.icp_id, task.parameters, entries=frozenset(deployment.tasks))
    if run_id is None:
        closed = ledger.deny(intention)
        echo(f"execution {closed.execution_id} of {task_name} is closed: no run came of it")
        echo(f"buy one with: linkt-pipeline run {task_name}")
        return

    async def ask(client: "LinktClient") -> "Run":
        return await look_up_run(client, run_id)

    run = deployment.ask_api(ask)
    if run.task_id is not None and not same_id(run.task_id, task.task_id):
        raise ForeignRunError(
            f"run {run_id} belongs to the Linkt task {run.task_id}, but the entry {task_name} of tasks.yaml names the "
            f"Linkt task {task.task_id}; adopt the run for the entry whose task_id is {run.task_id}"
        )

    execution = ledger.adopt(intention, run.id)
    echo(f"task {task_name} has adopted run {run.id} ({run.raw_status}) as execution {execution.execution_id}")
    echo(f"wait for it and land it with: linkt-pipeline run {task_name} (buys nothing)")
