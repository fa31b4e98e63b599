"""``linkt-pipeline ingest``."""

from pathlib import Path

import click

from linkt_pipeline.cli.deployment import Deployment


@click.command("ingest")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--task", "task_name", required=True, metavar="TASK", help="Entry of tasks.yaml that ingests the file.")
@click.option("--primary-column", metavar="NAME", help="Column that identifies a row; default: the task's own.")
@click.option("--entity-type", metavar="TYPE", help="What a row stands for; default: the task's own, else company.")
@click.option("--check", "only_check", is_flag=True, help="Check the file and say what it will take; send nothing.")
@click.option("--again", is_flag=True, help="Buy another run for a file that was ingested before.")
@click.option(
    "--over-budget", is_flag=True, help="Ingest the file even if the limits leave less than it is expected to cost."
)
def ingest(
    file: Path,
    task_name: str,
    primary_column: str | None,
    entity_type: str | None,
    only_check: bool,
    again: bool,
    over_budget: bool,
) -> int:
    """Bring a CSV or XLSX file to Linkt, have its rows researched, land and publish what is found.

    Costs credits, about a credit and a minute a row. The file is checked first; then it is uploaded, the Linkt task is
    set to it (and to nothing else), and the task is executed. marts.ingest_rows says what became of each row.

    The command knows a file by its content: it uploads each file once and buys one run of it. After an interrupt, the
    same command goes on where it stopped. --again buys another run and uses the file that was uploaded before.

    If somebody else has changed the task meanwhile, the command overwrites nothing and shows the difference.

    Exit codes: 0 done; 1 the run failed or could not be started; 2 the file, the usage or the configuration is wrong;
    3 the run is paid and ended, but not everything it found is landed and published (the same command finishes that).

    \b
    Examples:
      linkt-pipeline ingest fair.csv --task trade_fair_ingest --check
      linkt-pipeline ingest fair.csv --task trade_fair_ingest --primary-column company_name
    """  # noqa: D301
    deployment = Deployment.from_environment()
    task = deployment.select_tasks([task_name])[task_name]

    from linkt_pipeline.cli.alerting import alerts_afterwards
    from linkt_pipeline.cli.ingesting import check_only, ingest_and_publish
    from linkt_pipeline.ingest.ingest import Request

    request = Request(task, file, primary_column, entity_type, again)
    if only_check:
        return check_only(deployment, request)
    deployment.prepare()
    with alerts_afterwards(deployment):
        return ingest_and_publish(deployment, request, over_budget=over_budget)
