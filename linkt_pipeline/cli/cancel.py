"""``linkt-pipeline cancel``."""

from typing import TYPE_CHECKING

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.known_run import look_up_run
from linkt_pipeline.cli.output import echo

if TYPE_CHECKING:
    from linkt_pipeline.api import LinktClient, Run


@click.command("cancel")
@click.argument("run_id")
def cancel(run_id: str) -> None:
    """Cancel a Linkt run. The process that waits for it, or `sync`, lands what it found and spent.

    If the run has ended and can't be landed, this command gives it up: then its task may start another run.

    \b
    Example:
      linkt-pipeline cancel 6964b9b45a4d0beef1000031
    """  # noqa: D301
    deployment = Deployment.from_environment()
    if (task := _give_up(deployment, run_id)) is not None:
        echo(f"run {run_id} can't be landed and is given up; what arrived of it stays in linkt.rejects")
        echo(f"`linkt-pipeline run {task}` starts a new run, which costs credits")
        return

    async def stop(client: "LinktClient") -> "tuple[Run, Run | None]":
        before = await look_up_run(client, run_id)
        if before.status.is_terminal:
            return before, None
        await client.cancel_run(run_id)
        return before, await client.get_run(run_id)

    before, after = deployment.ask_api(stop)
    if after is None:
        echo(f"run {run_id} has ended already ({before.raw_status}); nothing was cancelled")
        return
    echo(f"run {run_id}: {before.raw_status} -> {after.raw_status}")
    echo("`linkt-pipeline sync` lands what it found and spent, unless a `run` is waiting for it")


def _give_up(deployment: Deployment, run_id: str) -> str | None:
    """The task whose execution of this run is closed now; None where the run is no reject."""
    from linkt_pipeline.ledger.choice import ledger_of

    if not deployment.warehouse.exists:
        return None
    given_up = ledger_of(deployment.warehouse).give_up(run_id)
    return given_up.task_key if given_up else None
