"""``linkt-pipeline models``."""

from typing import TYPE_CHECKING

import click

from linkt_pipeline.cli.output import echo
from linkt_pipeline.errors import ConfigError
from linkt_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linkt_pipeline.transform import Columns, ModelKey, Project
    from linkt_pipeline.warehouse.catalog import CatalogTable


@click.command("models")
@click.option("--check", is_flag=True, help="Check every model's SQL and header against the tables; run none.")
@click.option("--test", is_flag=True, help="Run the cases written beside macros and models, in memory.")
@click.option(
    "--copy",
    metavar="NAME",
    help="Copy a built-in file, such as marts.companies, to where your copy replaces it.",
)
@click.option("--markdown", is_flag=True, help="Print a reference of all tables and columns, as in docs/tables.md.")
def models(check: bool, test: bool, copy: str | None, markdown: bool) -> int:
    """Show the SQL models in build order, with how each is kept and what it reads.

    Your own files lie in sql/ beside tasks.yaml, or in LINKT_SQL_DIR. A file with the folder and name of a built-in one
    replaces it. Any other file is added. A file whose header says "-- disabled: true" removes the built-in one.

    \b
    Examples:
      linkt-pipeline models
      linkt-pipeline models --check       after editing a file of sql/
      linkt-pipeline models --test        rows in and rows out, from *.cases.csv and *.cases.yaml
      linkt-pipeline models --copy marts.companies
      linkt-pipeline models --markdown > docs/tables.md
    """  # noqa: D301
    from linkt_pipeline.transform import (
        load_project,
        origins,
        outdated,
        render_graph,
        render_markdown,
        warehouse_sources,
        warn_of_hashes,
    )
    from linkt_pipeline.warehouse.catalog import read_catalog
    from linkt_pipeline.warehouse.migration import empty_warehouse

    with empty_warehouse() as con:
        sources = warehouse_sources(con)
        landed = read_catalog(con)
    settings = load_settings()
    if copy:
        return _copy(settings, copy)
    project = load_project(settings.sql_dirs, sources)
    for problem in project.mistakes:
        echo(f"error: {problem}", err=True)
    for warning in outdated(project.files):
        echo(f"warning: {warning}", err=True)
    if check:
        for warning in warn_of_hashes(project.files):
            echo(f"warning: {warning}", err=True)
    if project.graph.quarantined:
        left_out = ", ".join(map(str, project.graph.quarantined))
        echo(f"left out until you correct that; everything else is built: {left_out}", err=True)
    if markdown:
        echo(
            _reference(landed, render_markdown(project.graph, _as_published(project.described))), nl=False, longest=None
        )
    elif test:
        return _test(settings, project)
    elif not check:
        echo(render_graph(project.graph, origins(project.files)), longest=None)
    elif not project.problems:
        models, checks = len(project.graph.models), len(project.checks)
        echo(f"{models} models and {checks} checks are fine; nothing was run")
    return 2 if project.problems else 0


def _as_published(described: "Mapping[ModelKey, Columns]") -> "dict[ModelKey, Columns]":
    from linkt_pipeline.warehouse.publish.types import published_type

    return {key: {name: published_type(kind) for name, kind in columns.items()} for key, columns in described.items()}


def _copy(settings: Settings, name: str) -> int:
    from linkt_pipeline.transform import take_over

    *folders, file = name.split(".")
    built_in = settings.sql_dirs[0].joinpath(*folders, f"{file}.sql")
    if not built_in.is_file():
        raise ConfigError(
            f"there is no built-in file {name}; write folders and name with a dot between, such as marts.companies "
            "or checks.linkt.runs_key. `linkt-pipeline models` lists the models"
        )
    try:
        copy = take_over(built_in, settings.own_sql_dir)
    except FileExistsError as error:
        raise ConfigError(f"{error.filename} exists already; it replaces the built-in {name}") from None
    except OSError as error:
        raise ConfigError(f"{settings.own_sql_dir} can't be written: {error.strerror}") from None
    echo(f"{copy} replaces the built-in {name} from now on")
    return 0


def _test(settings: Settings, project: "Project") -> int:
    """Print each file of cases on a line, and below it each case that failed. Returns 1 if any case failed."""
    from linkt_pipeline.transform import place_of, run_cases

    built_in, *own = settings.sql_dirs
    gone = {place_of(path) for path in (*project.files.replaced, *project.files.disabled)}
    found = [
        *run_cases(built_in, project.graph, gone),
        *(case for each in own for case in run_cases(each, project.graph)),
    ]
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

`linkt` holds what the API sent and the pipeline's own records about it. `staging` holds the same rows, cleaned and
flattened. `marts` holds the tables that answer questions. Times are UTC. The types of `staging` and `marts`
are those of the published copy (docs/bi.md).
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
