"""``linkt-pipeline demo``."""

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.output import echo

DEMO_TASKS = ("enterprise_saas_search", "trade_fair_ingest", "saas_signals")


@click.command("demo")
def demo() -> int:
    """Show everything on made-up data: three tasks, from the API to SQL, in under a minute.

    Always against the built-in stand-in for the Linkt API, even if a key is set: it never costs a credit. Rows go to
    the folder `sandbox` of LINKT_DATA_DIR. A second demo continues the story, so that history becomes visible.

    \b
    Example:
      linkt-pipeline demo
    """  # noqa: D301
    deployment = Deployment.from_environment({"use_sandbox": True})
    tasks = deployment.select_tasks(DEMO_TASKS)
    deployment.prepare()
    echo("the stand-in's clock runs fast: a run that says it took an hour is over in seconds", err=True)

    from linkt_pipeline.cli.demo_view import print_findings
    from linkt_pipeline.cli.execution import execute
    from linkt_pipeline.sandbox.process.beside import sandbox_beside

    with sandbox_beside(deployment.settings.root / "api"):
        code = execute(deployment, tasks)
    if code == 0:
        print_findings(deployment.settings, deployment.warehouse.place)
    return code
