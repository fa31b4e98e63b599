"""``linkt-pipeline runs``."""

from datetime import datetime, timedelta

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.moments import moment_of
from linkt_pipeline.cli.output import echo
from linkt_pipeline.cli.run_list import SORTS, RunPage, RunQuestion, runs_of_linkt, runs_of_warehouse

_STATUSES = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELED", "CRASHED")
_TYPES = ("search", "signal", "profile", "ingest")
_PATIENCE = timedelta(seconds=5)


@click.command("runs")
@click.option("--task", metavar="NAME", help="Of this task: its entry in tasks.yaml, or Linkt's id.")
@click.option("--icp", metavar="ID", help="Of this ICP, by Linkt's id.")
@click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="In this state.")
@click.option("--type", "task_type", type=click.Choice(_TYPES, case_sensitive=False), help="Of this type of task.")
@click.option("--created-after", metavar="DATE", callback=moment_of, help="Made at this time (UTC) or later.")
@click.option("--created-before", metavar="DATE", callback=moment_of, help="Made at this time (UTC) or earlier.")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Which page.")
@click.option("--size", type=click.IntRange(1, 100), default=20, show_default=True, help="Runs on a page.")
@click.option("--sort", type=click.Choice(SORTS), default="created_at", show_default=True, help="What to sort by.")
@click.option("--order", type=click.Choice(("desc", "asc")), default="desc", show_default=True, help="In which order.")
@click.option("--live", is_flag=True, help="Ask Linkt instead of the warehouse, also for open runs of others. Free.")
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object, for scripts.")
def runs(
    task: str | None,
    icp: str | None,
    status: str | None,
    task_type: str | None,
    created_after: datetime | None,
    created_before: datetime | None,
    page: int,
    size: int,
    sort: str,
    order: str,
    live: bool,
    as_json: bool,
) -> None:
    """List runs, newest first: those that are landed and those that are being waited for.

    --live asks Linkt's own list, which also has runs that somebody else started and that still go on.

    \b
    Examples:
      linkt-pipeline runs
      linkt-pipeline runs --task saas_search --status failed --created-after 2026-11-01
      linkt-pipeline runs --live --status running
    """  # noqa: D301
    deployment = Deployment.from_environment(quiet=as_json)
    question = RunQuestion(
        task_id=_task_id(deployment, task),
        icp_id=icp and icp.strip(),
        status=status,
        task_type=task_type,
        created_after=created_after,
        created_before=created_before,
        page=page,
        size=size,
        sort=sort,
        newest_first=order == "desc",
    )
    found = _ask_linkt(deployment, question) if live else _read_warehouse(deployment, question)
    if as_json:
        _print_json(found)
    else:
        _print(found, question)


def _task_id(deployment: Deployment, name: str | None) -> str | None:
    """Linkt's id of a task that is named by its entry, or by that id."""
    name = name and name.strip()
    if not name or name not in deployment.tasks:
        return name or None
    return deployment.tasks[name].task_id


def _ask_linkt(deployment: Deployment, question: RunQuestion) -> RunPage:
    names = {task.task_id.lower(): key for key, task in deployment.tasks.items()}
    found: RunPage = deployment.ask_api(lambda client: runs_of_linkt(client, question, names))
    return found


def _read_warehouse(deployment: Deployment, question: RunQuestion) -> RunPage:
    from linkt_pipeline.ledger.choice import ledger_of
    from linkt_pipeline.warehouse.engines.choice import warehouse_of
    from linkt_pipeline.warehouse.errors import WarehouseMissingError

    warehouse = warehouse_of(deployment.settings, lock_timeout=_PATIENCE)
    if not warehouse.exists:
        raise WarehouseMissingError(
            f"there is no warehouse yet: {warehouse.place}; `linkt-pipeline sync` or `run` creates it, --live asks "
            "Linkt"
        )
    with ledger_of(warehouse).read() as rows:
        return runs_of_warehouse(rows, question)


def _print_json(found: RunPage) -> None:
    import orjson

    from linkt_pipeline.display import escape_json

    echo(escape_json(orjson.dumps(found, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2).decode()), longest=None)


def _print(found: RunPage, question: RunQuestion) -> None:
    from linkt_pipeline.cli.output import make_console, print_table

    if not found.runs:
        total = f"; {found.total} fit in all" if found.total else ""
        echo(f"no run fits{total}" if question.page == 1 else f"no run on page {question.page}{total}")
        return
    print_table(
        make_console(),
        "Runs (times are UTC)",
        ("run", "task", "type", "status", "made", "changed", "credits"),
        (
            [row[name] for name in ("run_id", "task", "task_type", "status", "created_at", "updated_at", "credits")]
            for row in found.runs
        ),
        right=("credits",),
    )
    first = (question.page - 1) * question.size + 1
    last = first + len(found.runs) - 1
    if found.total is None or found.total > last or question.page > 1:
        of = "" if found.total is None else f" of {found.total}"
        more = f"; --page {question.page + 1} shows more" if found.total is None or found.total > last else ""
        echo(f"{first} to {last}{of}{more}")
