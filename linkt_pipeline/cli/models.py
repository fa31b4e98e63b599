"""``linkt-pipeline models``."""

from typing import TYPE_CHECKING

import click

from linkt_pipeline.cli.output import echo
from linkt_pipeline.config import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linkt_pipeline.models import Columns, ModelGraph, ModelKey
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
    from linkt_pipeline.models import (
        describe_models,
        load_checks,
        load_models,
        render_graph,
        render_markdown,
        try_describe,
        warehouse_sources,
        warn_of_hashes,
    )
    from linkt_pipeline.warehouse.catalog import read_catalog
    from linkt_pipeline.warehouse.migration import empty_warehouse

    with empty_warehouse() as con:
        sources = warehouse_sources(con)
        landed = read_catalog(con)
    graph = load_models(PROJECT_ROOT / "sql", sources)
    if markdown:
        echo(_reference(landed, render_markdown(graph, _as_published(describe_models(graph)))), nl=False, longest=None)
        return 0
    if test:
        return _test(graph)
    if not check:
        echo(render_graph(graph), longest=None)
        return 0
    checks = load_checks(PROJECT_ROOT / "sql", graph)
    _, problems = try_describe(graph)
    for problem in problems.values():
        echo(f"error: {problem}", err=True)
    for warning in warn_of_hashes(PROJECT_ROOT / "sql"):
        echo(f"warning: {warning}", err=True)
    if problems:
        return 2
    echo(f"{len(graph.models)} models and {len(checks)} checks are fine; nothing was run")
    return 0


def _as_published(described: "Mapping[ModelKey, Columns]") -> "dict[ModelKey, Columns]":
    from linkt_pipeline.warehouse.published_types import published_type

    return {key: {name: published_type(kind) for name, kind in columns.items()} for key, columns in described.items()}


def _test(graph: "ModelGraph") -> int:
    """Each file of cases on a line, what came out otherwise below it. Returns 1 if anything did."""
    from linkt_pipeline.models import run_cases

    found = list(run_cases(PROJECT_ROOT / "sql", graph))
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
