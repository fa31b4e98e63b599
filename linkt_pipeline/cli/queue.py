"""``linkt-pipeline queue``."""

from datetime import UTC, datetime
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
@click.option(
    "--offset",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Candidates to skip first.",
)
def queue(run_id: str, state: str | None, limit: int, offset: int) -> None:
    """Show how far a Linkt run has come: its candidates, when each reached its states, and why some were discarded.

    Linkt keeps the queue for a while only, so a run that ended long ago may have none.

    \b
    Examples:
      linkt-pipeline queue 6964b9b45a4d0beef1000031
      linkt-pipeline queue 6964b9b45a4d0beef1000031 --state discarded --limit 100
      linkt-pipeline queue 6964b9b45a4d0beef1000031 --limit 100 --offset 100
    """  # noqa: D301
    deployment = Deployment.from_environment()

    async def ask(client: "LinktClient") -> "tuple[Run, RunQueue]":
        run = await look_up_run(client, run_id)
        return run, await client.get_run_queue(run_id, offset=offset, limit=limit, state=state, include_history=True)

    run, found = deployment.ask_api(ask)
    echo(f"run {run.id}: {run.raw_status}")
    if not found.queue_data_available:
        echo(found.queue_data_message or "Linkt has no queue of this run; it deletes old queues")
        return
    echo(", ".join(f"{count} {name}" for name, count in found.state_counts.items()) or "nothing queued yet")
    if found.entities:
        from linkt_pipeline.cli.output import make_console, print_table

        print_table(
            make_console(), "Candidates", ("name", "state", "history (UTC)", "reason"), map(_row, found.entities)
        )
        all_of_them = sum(found.state_counts.values()) if state is None else found.state_counts.get(state, 0)
        last = offset + len(found.entities)
        if offset or all_of_them > last:
            more = f"; --offset {last} shows more" if all_of_them > last else ""
            echo(f"{offset + 1} to {last} of {all_of_them}{more}")
    elif offset:
        echo(f"no candidate beyond the first {offset}")


def _row(candidate: dict[str, Any]) -> tuple[Any, ...]:
    metadata = candidate.get("stage_metadata")
    staged = metadata.get("reason") if isinstance(metadata, dict) else None
    reason = candidate.get("reason") or candidate.get("justification") or staged
    name = candidate.get("name") or candidate.get("id")
    return name, candidate.get("state"), _history(candidate.get("state_history")), reason


def _history(states: Any) -> str:
    """The states that a candidate went through; what the API sends here is documented nowhere."""
    items = states if isinstance(states, list) else []
    return ", ".join(_reached(item) if isinstance(item, dict) else str(item) for item in items)


def _reached(item: dict[str, Any]) -> str:
    moment = next((item[name] for name in ("at", "timestamp", "entered_at", "time") if item.get(name)), None)
    try:
        at = datetime.fromisoformat(str(moment)) if moment else None
    except ValueError:
        at = None
    if at is not None and at.tzinfo is not None:
        at = at.astimezone(UTC)
    return " ".join(filter(None, [str(item.get("state") or ""), f"{at:%H:%M:%S}" if at else ""]))
