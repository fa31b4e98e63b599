"""``linkt-pipeline models``."""

import click

from linkt_pipeline.config import PROJECT_ROOT


@click.command("models")
@click.option("--check", is_flag=True, help="Check every model's SQL and header against the tables; run none.")
def models(check: bool) -> int:
    """Show the SQL models of sql/ in build order, with how each is kept and what it reads.

    \b
    Examples:
      linkt-pipeline models
      linkt-pipeline models --check       after editing a file of sql/
    """  # noqa: D301
    from linkt_pipeline.models import load_checks, load_models, render_graph, try_describe, warehouse_sources
    from linkt_pipeline.warehouse.migration import empty_warehouse

    with empty_warehouse() as con:
        sources = warehouse_sources(con)
    graph = load_models(PROJECT_ROOT / "sql", sources)
    if not check:
        click.echo(render_graph(graph))
        return 0
    checks = load_checks(PROJECT_ROOT / "sql", graph)
    _, problems = try_describe(graph)
    for problem in problems.values():
        click.echo(f"error: {problem}", err=True)
    if problems:
        return 2
    click.echo(f"{len(graph.models)} models and {len(checks)} checks are fine; nothing was run")
    return 0
