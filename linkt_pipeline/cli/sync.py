"""``linkt-pipeline sync``."""

from datetime import datetime

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.moments import past_moment_of
from linkt_pipeline.cli.output import echo
from linkt_pipeline.cli.refresh_view import print_refresh


@click.command("sync")
@click.option(
    "--since",
    metavar="DATE",
    callback=past_moment_of,
    help="Go back to runs updated since this time (UTC). Default: where the last sync stopped; 30 days on the first.",
)
@click.option("--retry-missing", is_flag=True, help="Ask again for what was missing (404) or rejected before.")
@click.option(
    "--refresh",
    is_flag=True,
    help="Read all known ICPs again, for what was changed or deleted in Linkt.",
)
def sync(since: datetime | None, retry_missing: bool, refresh: bool) -> int:
    """Collect runs started elsewhere and everything that is pending, transform and publish it.

    Free: it never starts a Linkt run. You can repeat it at any time; it finishes what a crash left behind. If
    there is nothing to do, it says "nothing new" and ends, after one API request.

    \b
    Examples:
      linkt-pipeline sync
      linkt-pipeline sync --since 2026-01-01      backfill the history
      linkt-pipeline sync --retry-missing
      linkt-pipeline sync --refresh               a request for each 100 entities that are known
    """  # noqa: D301
    deployment = Deployment.from_environment()
    deployment.prepare_folder()

    from linkt_pipeline.cli.alerting import alerts_afterwards

    with alerts_afterwards(deployment):
        return _sync(deployment, since, retry_missing=retry_missing, refresh=refresh)


def _sync(deployment: Deployment, since: datetime | None, *, retry_missing: bool, refresh: bool) -> int:
    if since is None and not retry_missing:
        work = deployment.find_work()
        if work is None and refresh:
            print_refresh(deployment.refresh(echo))
            refresh, work = False, deployment.find_work()
        if work is None:
            echo("nothing new")
            return 0
        echo(f"to do: {work}")
    tasks = deployment.tasks
    deployment.prepare_access()

    from linkt_pipeline.cli.dagster_run import run_job
    from linkt_pipeline.cli.execution import report_failures
    from linkt_pipeline.cli.progress import showing_progress
    from linkt_pipeline.cli.sync_view import print_sync
    from linkt_pipeline.warehouse.queries import settlements

    fetch = {"config": {"retry_missing": retry_missing}}
    ops: dict[str, object] = {
        "linkt__entities": {"config": {**fetch["config"], "refresh": refresh}},
        "linkt__signals": fetch,
    }
    collect = {"retry_rejected": retry_missing} | ({"since": since.isoformat()} if since else {})
    ops["linkt__runs"] = {"config": collect}
    with showing_progress([]) as progress:
        result = run_job(
            deployment.settings,
            tasks,
            "sync_and_publish",
            observer=progress,
            on_step=progress.on_step,
            run_config={"ops": ops},
        )
    report_failures(result)
    with deployment.warehouse.read() as con:
        resources = settlements(con)
    print_sync(result, resources)
    return 0 if result.succeeded and not result.failed_checks else 1
