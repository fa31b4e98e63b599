"""``linkt-pipeline compact``."""

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.output import echo, file_size


@click.command("compact")
def compact() -> None:
    """Write the warehouse into a new file without the space of deleted rows, and show its size before and after.

    Meanwhile readers go on and writers wait. An interrupt, a kill or a full disk loses nothing: the old file stays in
    place until the new one is complete. The disk needs room for both files.

    \b
    Examples:
      linkt-pipeline compact
    """  # noqa: D301
    deployment = Deployment.from_environment()
    deployment.finish_erasures()
    done = deployment.warehouse.compact()
    echo(f"before         {file_size(done.before)}")
    echo(f"after          {file_size(done.after)}")
    if done.after == done.before:
        echo("a new file would not be smaller, so this one stays")
    else:
        echo(f"given back     {file_size(done.before - done.after)} in {done.seconds:.1f} s")
