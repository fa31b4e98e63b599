"""Land terminal runs, our own and others: their row, their credits and the ids they name."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from linkt_pipeline.api import MalformedBodyError, Run, RunStatus, parse_run
from linkt_pipeline.collection.failed_runs import tell_failures
from linkt_pipeline.collection.frames import (
    error_kind,
    queue_frame,
    rejects_frame,
    run_credits_frame,
    run_resources_frame,
    runs_frame,
)
from linkt_pipeline.collection.seen_run import SeenRun
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.owed_outcomes import finish_unattended, unattended
from linkt_pipeline.ledger.rows import LedgerRows
from linkt_pipeline.warehouse import landing
from linkt_pipeline.warehouse.outbox_state import tell_budgets
from linkt_pipeline.warehouse.queries import landed_run_payload
from linkt_pipeline.warehouse.warehouse import Warehouse


def land_runs(warehouse: Warehouse, seen: Sequence[SeenRun]) -> frozenset[str]:
    """Land terminal runs, however they were started, in one transaction.

    If a run belongs to an execution of ours that no living process waits for, this closes the execution. The next start
    of its task gets the outcome. A cancelled run is the exception: the person who cancelled it wants a new run.

    Returns:
        The runs that DuckDB can't store: they are kept as rejects, and an execution of theirs stays open.
    """
    with ledger_of(warehouse).land() as rows:
        waiting = unattended(rows, [each.run.id for each in seen])
        unstorable = write_runs(rows, seen)
        landed = [each.run for each in seen if each.run.id not in unstorable]
        for run in landed:
            for row in waiting.pop(run.id, ()):  # a run that comes twice ends once
                finish_unattended(
                    rows,
                    row,
                    run_status=run.raw_status,
                    error_kind=error_kind(run),
                    error=run.error,
                    delivered=run.status is RunStatus.CANCELED,
                )
    return unstorable


def write_runs(rows: LedgerRows, seen: Sequence[SeenRun]) -> frozenset[str]:
    """Write terminal runs, their credits and the ids they name, in the caller's transaction.

    Returns:
        The runs that DuckDB can't store: they are kept as rejects.
    """
    runs = [each.run for each in seen]
    counts = landing.land_runs(rows.con, runs_frame(seen), run_credits_frame(runs), run_resources_frame(runs))
    tell_failures(rows, [each for each in seen if each.run.id not in counts.unstorable])
    tell_budgets(rows.con, datetime.now(UTC))
    return frozenset(counts.unstorable)


def keep_unusable_runs(warehouse: Warehouse, unusable: Sequence[tuple[str, MalformedBodyError]]) -> None:
    """Keep what arrived of runs and can't be used, with the reason, as rejects. A later success clears them."""
    rejects = [(run_id, error.reason, error.payload) for run_id, error in unusable]
    with warehouse.write() as con:
        landing.land_rejects(con, rejects_frame("run", rejects, datetime.now(UTC)))


def landed_run(warehouse: Warehouse, run_id: str) -> SeenRun:
    """A run as it was landed."""
    with warehouse.read() as con:
        payload, fetched_at = landed_run_payload(con, run_id)
    return SeenRun(parse_run(payload), fetched_at)


def land_queue(warehouse: Warehouse, run_id: str, counts: Mapping[str, int]) -> None:
    """Keep the counts of a run's queue, which Linkt forgets after a while."""
    with warehouse.write() as con:
        landing.land_queue_counts(con, queue_frame(run_id, counts, datetime.now(UTC)))


def run_duration(run: Run) -> timedelta:
    """How long a run worked: the time that it states, else the time from its first to its last change."""
    if run.run_time_seconds is not None:
        return timedelta(seconds=run.run_time_seconds)
    if run.created_at and run.updated_at:
        return run.updated_at - run.created_at
    return timedelta(0)
