"""``linkt-pipeline query``."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.errors import NothingPublishedError, QueryError
from linkt_pipeline.config import Settings

if TYPE_CHECKING:
    import duckdb

_LIVE_PATIENCE = timedelta(seconds=5)


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
@click.option("--live", is_flag=True, help="Ask the warehouse itself; waits for a writer, and makes writers wait.")
def query(sql: str, form: str, rows: int, live: bool) -> None:
    """Ask the published snapshot in SQL (DuckDB's dialect); it is read-only and never locked.

    Schemas: `marts` (companies, people, signal_feed, run_history, credits_daily, ...), `staging`, and `linkt`, the
    tables as they were landed.

    \b
    Examples:
      linkt-pipeline query "from marts.companies limit 10"
      linkt-pipeline query "select name, email from marts.people where company_name ilike 'a%'" --format csv
      linkt-pipeline query "select signal_type, count(*) from marts.signal_feed group by all" --format json
      linkt-pipeline query "show all tables"
    """  # noqa: D301
    deployment = Deployment.from_environment(quiet=form != "table")
    from linkt_pipeline.cli.query_output import write_result

    with _open(deployment, live) as con:
        import duckdb

        con.execute("set enable_external_access = false")  # no file, no network: a query reads the warehouse alone
        try:
            if not con.extract_statements(sql):
                raise QueryError(f'there is no query in {sql!r}; ask for example "from marts.companies limit 10"')
            write_result(con.execute(sql), form, rows)
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.Error as error:
            raise QueryError(str(error)) from None


@contextmanager
def _open(deployment: Deployment, live: bool) -> "Iterator[duckdb.DuckDBPyConnection]":
    if not live:
        con = open_snapshot(deployment.settings)
        try:
            yield con
        finally:
            con.close()
        return
    from linkt_pipeline.warehouse.connection import Warehouse

    with Warehouse(deployment.settings.warehouse_path, lock_timeout=_LIVE_PATIENCE).read() as con:
        yield con


def open_snapshot(settings: Settings) -> "duckdb.DuckDBPyConnection":
    """The published snapshot, read-only.

    Raises:
        NothingPublishedError: there is none.
        WarehouseError: the file is no DuckDB database, or of a newer version.
    """
    import duckdb

    from linkt_pipeline.warehouse.connection import CATALOG
    from linkt_pipeline.warehouse.faults import opening_error

    path = settings.snapshot_path
    if not path.exists():
        raise NothingPublishedError(path, sandbox=settings.sandbox)
    con = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    try:
        # Opened by itself, linkt.duckdb would be a catalog `linkt` with a schema `linkt`, and `linkt.runs` ambiguous.
        file = str(path).replace("'", "''")
        con.execute(f"attach '{file}' as {CATALOG} (read_only)")
        con.execute(f"use {CATALOG}")
    except duckdb.Error as error:
        con.close()
        raise opening_error(error, path, 0) or error from None
    con.execute("set TimeZone = 'UTC'")
    return con
