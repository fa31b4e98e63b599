"""Tells of runs that failed or crashed, in the transaction that lands them."""

from collections.abc import Sequence
from datetime import timedelta

import duckdb

from linkt_pipeline.api import RunStatus
from linkt_pipeline.collection.error_kind import ADVICE, classify_error
from linkt_pipeline.collection.seen_run import SeenRun
from linkt_pipeline.tasks import AlertEvent
from linkt_pipeline.warehouse.outbox import Alert, tell

_FAILURES = frozenset({RunStatus.FAILED, RunStatus.CRASHED})
_NEWS_FOR = timedelta(days=1)  # a backfill lands the failures of years


def tell_failures(con: duckdb.DuckDBPyConnection, seen: Sequence[SeenRun]) -> None:
    """Write down which of these runs have failed: those that an execution of ours waits for, and recent others.

    Linkt's error text is left out, because it may quote rows: its kind and what to do about it are told.

    Args:
        con: the transaction that has just landed them.
        seen: terminal runs.
    """
    failed = [each for each in seen if each.run.status in _FAILURES]
    if not failed:
        return
    ours = _executions(con, [each.run.id for each in failed])
    for each in failed:
        run = each.run
        task_key, dagster_run_id, is_open = ours.get(run.id.lower(), (None, None, False))
        ended_at = run.updated_at or run.created_at
        if not is_open and ended_at is not None and each.seen_at - ended_at > _NEWS_FOR:
            continue
        kind = classify_error(run.error)
        facts = {"status": run.status.value, "kind": kind.value, "advice": ADVICE[kind], "credits": run.credits}
        tell(con, Alert(AlertEvent.RUN_FAILED, run.id, facts, task_key, run.id, dagster_run_id))


def _executions(
    con: duckdb.DuckDBPyConnection, run_ids: Sequence[str]
) -> dict[str, tuple[str | None, str | None, bool]]:
    """Of runs that are ours, by id in lower case: the task, the Dagster run that asked, and whether anybody waits."""
    rows = con.execute(
        """
        select lower(run_id), task_key, dagster_run_id, state not in ('finished', 'refused', 'lost')
        from linkt.executions where lower(run_id) in (select lower(unnest(?::varchar[])))
        """,
        [list(run_ids)],
    ).fetchall()
    return {run_id: (task_key, dagster_run_id, is_open) for run_id, task_key, dagster_run_id, is_open in rows}
