"""``linkt-pipeline sync``."""

from datetime import datetime

import click

from linkt_pipeline.cli.deployment import Deployment


@click.command("sync")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="Go back to runs updated since this time (UTC). Default: where the last sync stopped; 30 days on the first.",
)
@click.option("--retry-missing", is_flag=True, help="Ask again for what was missing (404) or rejected before.")
def sync(since: datetime | None, retry_missing: bool) -> int:
    """Collect runs started elsewhere and everything that is pending, transform and publish it.

    Free: it never starts a Linkt run. It can be repeated at any time and settles what a crash left behind.

    \b
    Examples:
      linkt-pipeline sync
      linkt-pipeline sync --since 2026-01-01      backfill the history
      linkt-pipeline sync --retry-missing
    """  # noqa: D301
    deployment = Deployment.from_environment()
    tasks = deployment.tasks
    deployment.prepare()

    from linkt_pipeline.cli.dagster_run import run_job
    from linkt_pipeline.cli.execution import report_failures
    from linkt_pipeline.cli.progress import showing_progress

    fetch = {"config": {"retry_missing": retry_missing}}
    ops: dict[str, object] = {"entities": fetch, "signals": fetch}
    if since is not None:
        ops["runs"] = {"config": {"since": since.isoformat()}}
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
    if result.succeeded:
        click.echo(f"done; published to {deployment.settings.published_dir}")
    return 0 if result.succeeded else 1
