"""``linkt-pipeline query``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.errors import QueryError
from linkt_pipeline.cli.output import echo

if TYPE_CHECKING:
    import duckdb

_LIVE_PATIENCE = timedelta(seconds=5)
_RETURNING = b"returning"


@click.command("query")
@click.argument("sql")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="csv and json give every row; json is one array of objects.",
)
@click.option("--rows", type=click.IntRange(1), default=200, show_default=True, help="Most rows that a table shows.")
@click.option("--raw", is_flag=True, help="csv with texts as they are stored; for a program, never for a terminal.")
@click.option(
    "--live",
    is_flag=True,
    help="Ask the warehouse itself; waits for a writer, and makes writers wait.",
)
def query(sql: str, form: str, rows: int, raw: bool, live: bool) -> None:
    """Ask the published snapshot in SQL (DuckDB's dialect); it is read-only and never locked.

    Schemas: `marts` (companies, people, signal_feed, run_history, credits_daily, ...), `staging`, and `linkt`, the
    tables as they were landed. The table format takes several queries and shows each result; csv and json take one.

    \b
    Examples:
      linkt-pipeline query "from marts.companies limit 10"
      linkt-pipeline query "select name, email from marts.people where company_name ilike 'a%'" --format csv
      linkt-pipeline query "select signal_type, count(*) from marts.signal_feed group by all" --format json
      linkt-pipeline query "show all tables"
    """  # noqa: D301
    if raw and (form != "csv" or sys.stdout.isatty()):
        raise click.UsageError(
            "--raw goes with --format csv, into a file or a program: texts may hold control characters"
        )
    deployment = Deployment.from_environment(quiet=form != "table")
    with _open(deployment, live) as con:
        import duckdb

        con.execute("set enable_external_access = false")  # no file, no network: a query reads the warehouse alone
        try:
            _answer(con, sql, form, rows, raw=raw)
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.IOException:  # no query reads anything else, so the file itself is damaged
            raise
        except duckdb.Error as error:
            raise QueryError(str(error)) from None


def _answer(con: "duckdb.DuckDBPyConnection", sql: str, form: str, most_rows: int, *, raw: bool) -> None:
    """Run all statements in order, and write the rows of those that give any."""
    from linkt_pipeline.cli.query_output import write_result

    statements = con.extract_statements(sql)
    if not statements:
        raise QueryError(f'there is no query in {sql!r}; ask for example "from marts.companies limit 10"')
    gives_rows = [_gives_rows(statement) for statement in statements]
    if form != "table" and sum(gives_rows) > 1:
        raise QueryError(
            f"{form} holds the result of one query, and these are {sum(gives_rows)}; ask them one by one, or with "
            "--format table"
        )
    written = False
    for statement, shown in zip(statements, gives_rows, strict=True):
        result = con.execute(statement)
        if shown:
            if written:
                echo()
            write_result(result, form, most_rows, raw=raw)
            written = True


def _gives_rows(statement: "duckdb.Statement") -> bool:
    """Whether a statement gives rows, other than a count of those it changed.

    For some statements DuckDB's type of the statement is certain. Of the others, only those with RETURNING give rows;
    the word is reserved, so it can't be a name. DuckDB makes two statements of a PIVOT; the first gives no rows and has
    no text.
    """
    import duckdb

    if statement.expected_result_type == [duckdb.ExpectedResultType.QUERY_RESULT]:
        return True
    text = statement.query.encode()  # a token's place is counted in bytes
    return any(
        kind == duckdb.token_type.keyword and text[start : start + len(_RETURNING)].lower() == _RETURNING
        for start, kind in duckdb.tokenize(statement.query)
    )


@contextmanager
def _open(deployment: Deployment, live: bool) -> "Iterator[duckdb.DuckDBPyConnection]":
    from linkt_pipeline.warehouse.engines.choice import warehouse_of
    from linkt_pipeline.warehouse.publish.reader import open_snapshot

    settings = deployment.settings
    if live:
        opened = warehouse_of(settings, lock_timeout=_LIVE_PATIENCE).read()
    else:  # which can be read whatever is the matter with the warehouse
        opened = open_snapshot(settings.snapshot_path)
    with opened as con:
        yield con
