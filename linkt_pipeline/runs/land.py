"""Land terminal runs: their row, their credits, the ids they name, and the ledger row that bought them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from linkt_pipeline.api import Run, RunStatus, parse_run
from linkt_pipeline.runs.frames import error_kind, queue_frame, run_credits_frame, run_resources_frame, runs_frame
from linkt_pipeline.runs.seen import SeenRun
from linkt_pipeline.runs.worker import Worker
from linkt_pipeline.warehouse import landing
from linkt_pipeline.warehouse.connection import Warehouse
from linkt_pipeline.warehouse.ledger import Execution, finish, finish_unattended
from linkt_pipeline.warehouse.queries import landed_run_payload


async def land_finished_run(worker: Worker, execution: Execution, seen: SeenRun) -> None:
    """Land a run and close its ledger row in one transaction: there is no moment with one but not the other.

    Raises:
        LeaseLostError: another process took the execution over and lands it instead.
    """
    run = seen.run

    def land() -> None:
        with worker.warehouse.write() as con:
            finish(
                con,
                execution.execution_id,
                worker.owner,
                run_status=run.raw_status,
                error_kind=error_kind(run),
                error=run.error,
                asked_by=worker.asked_by,
            )
            landing.land_runs(con, runs_frame([seen]), run_credits_frame([run]), run_resources_frame([run]))

    await worker.call(land)


def land_runs(warehouse: Warehouse, seen: Sequence[SeenRun]) -> None:
    """Land terminal runs, however they were started, in one transaction.

    An execution of ours that no living process waits for any more is closed with its run. The next start of its task
    is handed the outcome; unless somebody cancelled the run, who knows it and wants a new one then.
    """
    runs = [each.run for each in seen]
    with warehouse.write() as con:
        for run in runs:
            finish_unattended(
                con,
                run.id,
                run_status=run.raw_status,
                error_kind=error_kind(run),
                error=run.error,
                delivered=run.status is RunStatus.CANCELED,
            )
        landing.land_runs(con, runs_frame(seen), run_credits_frame(runs), run_resources_frame(runs))


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
    """How long a run worked: as it says itself, else from its first to its last change."""
    if run.run_time_seconds is not None:
        return timedelta(seconds=run.run_time_seconds)
    if run.created_at and run.updated_at:
        return run.updated_at - run.created_at
    return timedelta(0)
