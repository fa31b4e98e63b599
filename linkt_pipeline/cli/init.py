"""``linkt-pipeline init``."""

import shlex
from pathlib import Path

import click

from linkt_pipeline.cli.output import echo


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def init(directory: Path) -> None:
    """Make a project of your own in DIRECTORY: tasks.yaml, SQL models, and what Dagster needs.

    It works at once on made-up data, and with LINKT_API_KEY for real. A file that is there stays as it is.

    \b
    Examples:
      linkt-pipeline init research
      linkt-pipeline init .
    """  # noqa: D301
    from linkt_pipeline.cli.project_template import write_project

    folder = directory.expanduser()
    written = write_project(folder)
    for name in written:
        echo(f"wrote {folder / name}")
    if not written:
        echo(f"{folder} has all files of a project already; nothing was written")
    echo("\nnext:")
    if folder.resolve() != Path.cwd():
        echo(f"  cd {shlex.quote(str(folder))}")
    echo("  linkt-pipeline demo         everything on made-up data, without a key")
    echo("  linkt-pipeline ui           the same in Dagster")
    echo("  linkt-pipeline tasks pull   with LINKT_API_KEY in .env: your tasks")
