"""``linkt-pipeline audit``."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from linkt_pipeline.cli.deployment import Deployment

if TYPE_CHECKING:
    import duckdb

_LIVE_PATIENCE = timedelta(seconds=5)


@click.command("audit")
@click.option(
    "--mart", "marts", multiple=True, metavar="NAME", help="Audit only this mart; repeat the option for several."
)
@click.option(
    "--live",
    is_flag=True,
    help="Audit the warehouse itself; waits for a writer, and makes writers wait.",
)
@click.option("--json", "as_json", is_flag=True, help="Write what was found as JSON.")
@click.option(
    "--rows",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="Most companies to compare; likewise people, signals, runs and changed entities.",
)
@click.option(
    "--show", type=click.IntRange(1), default=20, show_default=True, help="Most differences to print per mart."
)
def audit(marts: tuple[str, ...], live: bool, as_json: bool, rows: int, show: int) -> int:
    """Compute every mart a second time, from the landed payloads, and show each figure that differs.

    The second computation is Python written from the descriptions in docs/tables.md, and shares no SQL with the models.
    It leaves out values that only a macro can read ("about 50" employees); the output says how many. Exits with 1 if
    any figure differs, with 0 if none does.

    \b
    Examples:
      linkt-pipeline audit
      linkt-pipeline audit --mart credits_daily --mart run_history
      linkt-pipeline audit --json | jq .differences
    """  # noqa: D301
    from linkt_pipeline.audit import MARTS, run_audit
    from linkt_pipeline.cli.audit_view import print_audit, print_json, progress_line
    from linkt_pipeline.cli.errors import UnknownMartError

    wanted = {name.removeprefix("marts.") for name in marts}
    known = [mart.name for mart in MARTS]
    for name in sorted(wanted - set(known)):
        raise UnknownMartError(name, known)
    deployment = Deployment.from_environment(quiet=as_json)
    with _open(deployment, live) as con, progress_line() as progress:
        found = run_audit(con, marts=wanted, most_rows=rows, progress=progress)
    if as_json:
        print_json(found)
    else:
        print_audit(found, show)
    return 1 if found.differences else 0


@contextmanager
def _open(deployment: Deployment, live: bool) -> "Iterator[duckdb.DuckDBPyConnection]":
    from linkt_pipeline.warehouse.engines.choice import warehouse_of
    from linkt_pipeline.warehouse.errors import WarehouseMissingError
    from linkt_pipeline.warehouse.publish.reader import open_snapshot

    settings = deployment.settings
    if not live:
        with open_snapshot(settings.snapshot_path) as con:
            con.execute("set memory_limit = '512MB'")
            yield con
        return
    warehouse = warehouse_of(settings, lock_timeout=_LIVE_PATIENCE)
    if not warehouse.exists:
        raise WarehouseMissingError(
            f"there is no warehouse yet: {warehouse.place}; `linkt-pipeline sync` or `run` creates it"
        )
    with warehouse.read() as con:
        yield con
