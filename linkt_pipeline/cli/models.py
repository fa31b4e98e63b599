"""``linkt-pipeline models``."""

from typing import TYPE_CHECKING

import click

from linkt_pipeline.cli.output import echo
from linkt_pipeline.package_files import BUILT_IN_SQL, require_sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linkt_pipeline.transform import Columns, ModelGraph, ModelKey
    from linkt_pipeline.warehouse.catalog import CatalogTable


@click.command("models")
@click.option("--check", is_flag=True, help="Check every model's SQL and header against the tables; run none.")
@click.option("--test", is_flag=True, help="Run the cases written beside macros and models, in memory.")
@click.option("--markdown", is_flag=True, help="Print a reference of all tables and columns, as in docs/tables.md.")
def models(check: bool, test: bool, markdown: bool) -> int:
    """Show the SQL models of sql/ in build order, with how each is kept and what it reads.

    \b
    Examples:
      linkt-pipeline models
      linkt-pipeline models --check       after editing a file of sql/
      linkt-pipeline models --test        rows in and rows out, from *.cases.csv and *.cases.yaml
      linkt-pipeline models --markdown > docs/tables.md
    """  # noqa: D301
    from linkt_pipeline.transform import load_project, render_graph, render_markdown, warehouse_sources, warn_of_hashes
    from linkt_pipeline.warehouse.catalog import read_catalog
    from linkt_pipeline.warehouse.migration import empty_warehouse

    with empty_warehouse() as con:
        sources = warehouse_sources(con)
        landed = read_catalog(con)
    project = load_project(require_sql(BUILT_IN_SQL), sources)
    for problem in project.mistakes:
        echo(f"error: {problem}", err=True)
    if check:
        for warning in warn_of_hashes(BUILT_IN_SQL):
            echo(f"warning: {warning}", err=True)
    if project.graph.quarantined:
        left_out = ", ".join(map(str, project.graph.quarantined))
        echo(f"left out until that is mended, everything else is built: {left_out}", err=True)
    if markdown:
        echo(
            _reference(landed, render_markdown(project.graph, _as_published(project.described))), nl=False, longest=None
        )
    elif test:
        return _test(project.graph)
    elif not check:
        echo(render_graph(project.graph), longest=None)
    elif not project.problems:
        models, checks = len(project.graph.models), len(project.checks)
        echo(f"{models} models and {checks} checks are fine; nothing was run")
    return 2 if project.problems else 0


def _as_published(described: "Mapping[ModelKey, Columns]") -> "dict[ModelKey, Columns]":
    from linkt_pipeline.warehouse.publish.types import published_type

    return {key: {name: published_type(kind) for name, kind in columns.items()} for key, columns in described.items()}


def _test(graph: "ModelGraph") -> int:
    """Each file of cases on a line, what came out otherwise below it. Returns 1 if anything did."""
    from linkt_pipeline.transform import run_cases

    found = list(run_cases(BUILT_IN_SQL, graph))
    for result in found:
        for failure in result.failures:
            echo(f"error: {failure}", err=True)
    cases = sum(result.cases for result in found)
    failed = sum(result.failed for result in found)
    echo(f"{cases - failed} of {cases} cases in {len(found)} files come out as written")
    return 1 if failed else 0


_INTRODUCTION = """\
# Tables and columns

Made by `linkt-pipeline models --markdown` from the warehouse's own descriptions and the headers of `sql/`.

`linkt` holds what the API delivered and the books kept about it, `staging` the same cleaned and flattened, `marts` what
questions are asked of. Times are UTC. The types of `staging` and `marts` are those of the published copy (docs/bi.md).
"""


def _reference(landed: "list[CatalogTable]", models: str) -> str:
    parts = [_INTRODUCTION, "## linkt\n"]
    for table in landed:
        parts.append(
            f"### {table.schema}.{table.name}\n\n{table.description}\n\n| column | type | description |\n|---|---|---|"
        )
        parts += [f"| `{column.name}` | {column.type} | {column.description} |" for column in table.columns]
        parts.append("")
    return "\n".join(parts) + "\n" + models.rstrip() + "\n"
