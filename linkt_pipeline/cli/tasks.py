"""``linkt-pipeline tasks``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.output import echo

if TYPE_CHECKING:
    from linkt_pipeline.api import LinktClient, Task


@click.group("tasks", invoke_without_command=True)
@click.pass_context
def tasks(ctx: click.Context) -> None:
    """Show the tasks of tasks.yaml, or write the file from the API.

    \b
    Examples:
      linkt-pipeline tasks
      linkt-pipeline tasks pull
    """  # noqa: D301
    if ctx.invoked_subcommand is not None:
        return
    deployment = Deployment.from_environment()
    if not deployment.tasks:
        echo(f"no tasks: there is no {deployment.settings.active_tasks_file}. Write it: linkt-pipeline tasks pull")
        return

    from linkt_pipeline.cli.output import make_console, print_table

    print_table(
        make_console(),
        f"Tasks of {deployment.settings.active_tasks_file}",
        ("task", "Linkt task", "ICP", "schedule", "monthly limit"),
        (
            (key, task.task_id, task.icp_id, task.schedule, task.monthly_credit_limit)
            for key, task in deployment.tasks.items()
        ),
        right=("monthly limit",),
    )


@tasks.command("pull")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; default LINKT_TASKS_FILE (tasks.yaml). '-' shows what would be added.",
)
@click.option("--force", is_flag=True, help="Replace the file instead of adding to it: removes its entries.")
def pull(output: Path | None, force: bool) -> None:
    """Write tasks.yaml from the API: one entry per Linkt task, named after it.

    An existing file keeps its entries, its comments and its order; tasks it does not hold yet are added at the end.
    Nothing is executed and nothing is scheduled.

    \b
    Examples:
      linkt-pipeline tasks pull
      linkt-pipeline tasks pull --output -
      linkt-pipeline tasks pull --output staging.yaml
    """  # noqa: D301
    deployment = Deployment.from_environment(quiet=output is None)
    if output is None:
        # In sandbox mode this would write the sandbox's tasks where real ones belong.
        deployment.settings.require_api_key()
        output = deployment.settings.tasks_file.expanduser()

    async def ask(client: "LinktClient") -> "list[Task]":
        return [task async for task in client.list_tasks()]

    found = deployment.ask_api(ask)

    from linkt_pipeline.cli.tasks_file import TasksFile

    to_stdout = str(output) == "-"
    file = TasksFile.open(None if force or to_stdout else output)
    added, gone = file.add(found), file.gone(found)
    if to_stdout:
        echo(file.text(), nl=False, longest=None)
        return
    if added or force:
        file.write(output)
    for key, task in added.items():
        echo(f"added {key}: {task.name or '(no name)'} ({task.id}, {task.flow_name or 'unknown type'})")
    for key in gone:
        echo(f"warning: {key} is in {output}, but Linkt has no such task; the entry was left as it is", err=True)
    echo(f"{output}: {len(added)} added, {len(found) - len(added)} were there already")
    if added:
        echo(f"next: linkt-pipeline run {next(iter(added))}   (costs credits)")
