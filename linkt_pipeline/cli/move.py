"""``linkt-pipeline move``."""

from pathlib import Path

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.output import echo, file_size


@click.command("move")
@click.option(
    "--to",
    "target",
    type=click.Choice(["lake", "file"]),
    required=True,
    help="lake: the PostgreSQL of LINKT_CATALOG and LINKT_LAKE_PATH; file: warehouse.duckdb in LINKT_DATA_DIR.",
)
def move(target: str) -> None:
    """Move the warehouse from its file to a lake that hosts share, or back, with its ledger. Costs nothing.

    Set LINKT_CATALOG and LINKT_LAKE_PATH for both directions. Every table, view, description and open run is moved;
    counts and hashes of all rows are compared before anything is switched. Stop Dagster and other commands first: while
    a process works on a run the move is refused. Until the switch the old warehouse is the one that is used, also
    after a kill or a full disk; the same command again begins anew or takes the last step.

    --to lake keeps the file beside its old place, as warehouse.moved-TIME.duckdb. --to file leaves the lake as it is,
    marked as left: every host that still uses it is refused. Unset both settings then.

    \b
    Examples:
      linkt-pipeline move --to lake
      linkt-pipeline move --to file
    """  # noqa: D301
    from linkt_pipeline.warehouse.engines.choice import both_of

    settings = Deployment.from_environment().settings
    file, lake = both_of(settings)
    # Here, because only a lake needs psycopg.
    from linkt_pipeline.moving.to_file import move_to_file
    from linkt_pipeline.moving.to_lake import move_to_lake

    moved = move_to_lake(file, lake) if target == "lake" else move_to_file(file, lake)
    here, there = (lake.place, file.place) if target == "lake" else (file.place, lake.place)
    if not moved.is_new:
        echo(f"nothing to do: the warehouse is in {here} already")
        return
    echo(f"moved to       {here}")
    if moved.tables:
        rows = sum(table.rows for table in moved.tables)
        echo(f"compared       {len(moved.tables):,} tables with {rows:,} rows: every count and hash is the same")
        echo(f"ledger         {moved.executions:,} executions, {moved.open_executions:,} of them open")
    if moved.views_to_build:
        echo(f"to build       {', '.join(moved.views_to_build)}: by the next `linkt-pipeline sync`")
    if moved.views_left_out:
        echo(
            f"not moved      {', '.join(moved.views_left_out)}: views that no model makes; make them again in the lake"
        )
    _tell_what_is_left(target, there, moved.aside)


def _tell_what_is_left(target: str, there: str, aside: Path | None) -> None:
    if target == "file":
        echo(f"left           {there}: nobody can use it any more, and its rows are kept")
        echo("now            unset LINKT_CATALOG and LINKT_LAKE_PATH, here and on every other host")
        return
    if aside is not None:
        echo(f"kept           {aside} ({file_size(aside.stat().st_size)}); no command reads or deletes it")
    echo("now            every host with these settings uses the lake; `linkt-pipeline sync` builds and publishes")
