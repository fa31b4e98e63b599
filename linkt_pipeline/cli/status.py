"""``linkt-pipeline status``."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.output import echo

if TYPE_CHECKING:
    from linkt_pipeline.cli.status_report import StatusReport

_PATIENCE = timedelta(seconds=5)


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON object, for scripts.")
def status(as_json: bool) -> None:
    """Show what is open, pending, rejected, spent and published. Asks the warehouse only, never the API.

    \b
    Examples:
      linkt-pipeline status
      linkt-pipeline status --json
    """  # noqa: D301
    deployment = Deployment.from_environment(quiet=as_json)
    settings = deployment.settings

    from linkt_pipeline.cli.status_report import read_status
    from linkt_pipeline.cli.status_view import print_status

    report: StatusReport | None = None
    from linkt_pipeline.warehouse.engines.choice import warehouse_of

    warehouse = warehouse_of(settings, lock_timeout=_PATIENCE)
    if warehouse.exists:
        report = read_status(warehouse, settings, deployment.tasks, datetime.now(UTC), deployment.common)
    if as_json:
        import orjson

        from linkt_pipeline.display import escape_json

        echo(escape_json(orjson.dumps(report, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2).decode()), longest=None)
    elif report is None:
        first = "linkt-pipeline demo" if settings.sandbox else "linkt-pipeline run TASK` or `linkt-pipeline sync"
        echo(f"nothing yet: {warehouse.place} does not exist. `{first}` makes it")
    else:
        print_status(report)
