"""``linkt-pipeline queue``."""

from typing import TYPE_CHECKING, Any

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.known_run import look_up_run
from linkt_pipeline.cli.output import echo

if TYPE_CHECKING:
    from linkt_pipeline.api import LinktClient, Run, RunQueue

_STATES = ("queued", "processing", "completed", "discarded")


@click.command("queue")
@click.argument("run_id")
@click.option("--state", type=click.Choice(_STATES), help="List the candidates in this state only.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Most candidates listed.")
def queue(run_id: str, state: str | None, limit: int) -> None:
    """Show how far a Linkt run has come: candidates by state, and why some were discarded.

    Linkt keeps the queue for a while only, so a run that ended long ago may have none.

    \b
    Examples:
      linkt-pipeline queue 6964b9b45a4d0beef1000031
      linkt-pipeline queue 6964b9b45a4d0beef1000031 --state discarded --limit 100
    """  # noqa: D301
    deployment = Deployment.from_environment()

    async def ask(client: "LinktClient") -> "tuple[Run, RunQueue]":
        run = await look_up_run(client, run_id)
        return run, await client.get_run_queue(run_id, limit=limit, state=state, include_history=True)

    run, found = deployment.ask_api(ask)
    echo(f"run {run.id}: {run.raw_status}")
    if not found.queue_data_available:
        echo(found.queue_data_message or "Linkt keeps no queue for this run (any more)")
        return
    echo(", ".join(f"{count} {name}" for name, count in found.state_counts.items()) or "nothing queued yet")
    if found.entities:
        from linkt_pipeline.cli.output import make_console, print_table

        print_table(make_console(), "Candidates", ("name", "state", "reason"), map(_row, found.entities))
        all_of_them = sum(found.state_counts.values()) if state is None else found.state_counts.get(state, 0)
        if all_of_them > len(found.entities):
            echo(f"{len(found.entities)} of {all_of_them} shown; --limit N (at most 100) shows more")


def _row(candidate: dict[str, Any]) -> tuple[Any, Any, Any]:
    metadata = candidate.get("stage_metadata")
    staged = metadata.get("reason") if isinstance(metadata, dict) else None
    reason = candidate.get("reason") or candidate.get("justification") or staged
    return candidate.get("name") or candidate.get("id"), candidate.get("state"), reason
