"""``linkt-pipeline report``."""

from pathlib import Path

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.output import echo


@click.command("report")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; report.html beside the warehouse if not given.",
)
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
def report(output: Path | None, show: bool) -> None:
    """Write one self-contained HTML page about the published snapshot.

    Accounts to call, what changed this week, the budget, credits, yields, signals, newest companies, failures.

    The page needs no network and no BI tool, reads in light and dark, and prints. It names people, but not their
    e-mail addresses and phone numbers.

    \b
    Examples:
      linkt-pipeline report
      linkt-pipeline report --output ~/linkt.html --open
    """  # noqa: D301 \b is click's mark for a paragraph kept as it is
    deployment = Deployment.from_environment()
    deployment.finish_erasures()
    settings = deployment.settings
    from linkt_pipeline.report import write_report

    written = write_report(settings.snapshot_path, output or settings.root / "report.html", made_up=settings.sandbox)
    echo(f"report written to {written}")
    if show:
        click.launch(written.as_uri())
