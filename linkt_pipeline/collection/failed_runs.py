"""Writes alerts about runs that failed or crashed, in the transaction that lands these runs."""

from collections.abc import Sequence
from datetime import timedelta

from linkt_pipeline.api import RunStatus
from linkt_pipeline.collection.error_kind import ADVICE, classify_error
from linkt_pipeline.collection.seen_run import SeenRun
from linkt_pipeline.ledger.rows import LedgerRows, Which
from linkt_pipeline.tasks import AlertEvent
from linkt_pipeline.warehouse.outbox import Alert, tell

_FAILURES = frozenset({RunStatus.FAILED, RunStatus.CRASHED})
_NEWS_FOR = timedelta(days=1)  # a backfill lands the failures of years


def tell_failures(rows: LedgerRows, seen: Sequence[SeenRun]) -> None:
    """Write down which of these runs have failed: those that an execution of ours waits for, and recent others.

    An alert holds the kind of failure and what to do about it. It leaves out Linkt's error text, which may quote rows.

    Args:
        rows: the transaction that has just landed them.
        seen: terminal runs.
    """
    failed = [each for each in seen if each.run.status in _FAILURES]
    if not failed:
        return
    executions = rows.executions(Which(run_ids=[each.run.id for each in failed]))
    of_run = {row.run_id.lower(): row for row in executions if row.run_id}
    for each in failed:
        run = each.run
        ours = of_run.get(run.id.lower())
        is_open = ours is not None and ours.state.is_open
        ended_at = run.updated_at or run.created_at
        if not is_open and ended_at is not None and each.seen_at - ended_at > _NEWS_FOR:
            continue
        kind = classify_error(run.error)
        facts = {"status": run.status.value, "kind": kind.value, "advice": ADVICE[kind], "credits": run.credits}
        task_key, dagster_run_id = (ours.task_key, ours.dagster_run_id) if ours else (None, None)
        tell(rows.con, Alert(AlertEvent.RUN_FAILED, run.id, facts, task_key, run.id, dagster_run_id))
