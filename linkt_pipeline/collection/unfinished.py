"""What is left to do, as the warehouse alone shows it.

This is the first half of the question whether a sync has anything to do; Linkt answers the other half
(:mod:`linkt_pipeline.collection.news`). In doubt the answer is yes: a sync that finds nothing costs seconds, while a
row that waits for the next sync is late.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.owed_outcomes import runs_at_rest
from linkt_pipeline.ledger.rows import LedgerRows
from linkt_pipeline.warehouse.completion import read_completion
from linkt_pipeline.warehouse.publish.mark import is_published
from linkt_pipeline.warehouse.queries import landed_run_versions, unlanded_run_ids
from linkt_pipeline.warehouse.state import last_change
from linkt_pipeline.warehouse.warehouse import Warehouse

# Names of tasks, ICPs and sheets change without a run, and some checks look at the clock.
WHOLE_SYNC_EVERY = timedelta(days=1)


def find_unfinished(warehouse: Warehouse, published_dir: Path, *, code: str, now: datetime) -> str | None:
    """What a sync would have to do without any news from Linkt, in words; None if there is nothing.

    A warehouse of an older version is brought up to date, as by any other reader.

    Args:
        warehouse: is read; it is not made if there is none.
        published_dir: folder of the published files.
        code: the mark of the code now.
        now: the present.

    Raises:
        WarehouseError: it can't be read.
    """
    if not warehouse.exists:
        return "there is no warehouse yet"
    with ledger_of(warehouse).read() as rows:
        return _last_sync(rows.con, published_dir, code, now) or next(
            filter(None, (find(rows) for find in _FINDERS)), None
        )


def is_all_built(warehouse: Warehouse) -> bool:
    """Whether the last sync came to its end, and no row has changed since its models were built."""
    if not warehouse.exists:
        return True
    with warehouse.read() as con:
        last = read_completion(con)
        return last is not None and last.as_of is not None and last.change == last_change(con)


def _last_sync(con: duckdb.DuckDBPyConnection, published_dir: Path, code: str, now: datetime) -> str | None:
    last = read_completion(con)
    if last is None or last.as_of is None:
        return "the last sync did not come to its end, or something in it failed"
    if last.code != code:
        return "files of sql/ or of linkt-pipeline have changed"
    if last.change != last_change(con):
        return "rows have changed since the models were built"
    if not is_published(published_dir, last.change, last.code):
        return "published files are others than those of the last sync, or missing"
    if not timedelta(0) <= now - last.as_of < WHOLE_SYNC_EVERY:
        return "once a day everything is looked at"
    return None


def _pending(rows: LedgerRows) -> str | None:
    pending = rows.con.execute("select count(*) from linkt.run_resources where state = 'pending'").fetchall()[0][0]
    return f"{pending:,} ids are still to be fetched" if pending else None


def _undelivered(rows: LedgerRows) -> str | None:
    unpublished = any(owed.published_at is None for owed in rows.owed().values())
    return "a paid outcome is not published" if unpublished else None


def _unlanded(rows: LedgerRows) -> str | None:
    unlanded = unlanded_run_ids(rows.con, rows.in_warehouse)
    return f"run {unlanded[0]} of a finished execution is not landed" if unlanded else None


def _unclosed(rows: LedgerRows) -> str | None:
    landed = landed_run_versions(rows.con, runs_at_rest(rows))
    return f"run {next(iter(landed))} has ended and its execution is open" if landed else None


def _models(rows: LedgerRows) -> str | None:
    """A model to build though nothing that it reads has changed. Models that depend on the time keep no inputs."""
    found = rows.con.execute(
        "select model, problem from linkt.model_builds where problem is not null or cursor is null "
        "order by model limit 1"
    ).fetchone()
    if found is None:
        return None
    model, problem = found
    return f"{model} can't be built" if problem else f"{model} depends on when it is built"


def _missing_models(rows: LedgerRows) -> str | None:
    found = rows.con.execute(
        """
        select model from linkt.model_builds
        anti join (
            select database_name, schema_name || '.' || table_name as model from duckdb_columns()
        ) as there on there.model = model_builds.model and there.database_name = current_database()
        where built_at is not null order by model limit 1
        """
    ).fetchone()
    return f"{found[0]} no longer exists" if found else None


_FINDERS: tuple[Callable[[LedgerRows], str | None], ...] = (
    _pending,
    _undelivered,
    _unlanded,
    _unclosed,
    _models,
    _missing_models,
)
