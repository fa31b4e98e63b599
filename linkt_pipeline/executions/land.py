"""Land the run of an execution together with its ledger row."""

from linkt_pipeline.collection.frames import error_kind
from linkt_pipeline.collection.land_runs import write_runs
from linkt_pipeline.collection.seen_run import SeenRun
from linkt_pipeline.executions.errors import RunNotLandedError
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.leases import keep_lease
from linkt_pipeline.ledger.owed_outcomes import finish
from linkt_pipeline.ledger.values import Execution


async def land_finished_run(worker: Worker, execution: Execution, seen: SeenRun) -> None:
    """Land a run, and close its ledger row in the same transaction, or in one that commits right after it.

    The lease is proven first. A ledger or a warehouse that can't be used now is waited for. Meanwhile this row alone is
    kept from others.

    Raises:
        LeaseLostError: another process took the execution over and lands it instead.
        RunNotLandedError: DuckDB can't store the run. It is kept as a reject, and its row stays open.
    """
    run = seen.run

    def land() -> bool:
        with worker.ledger.land() as rows:
            keep_lease(rows, execution.execution_id, worker.owner)
            if write_runs(rows, [seen]):
                return False
            finish(
                rows,
                execution.execution_id,
                worker.owner,
                run_status=run.raw_status,
                error_kind=error_kind(run),
                error=run.error,
                asked_by=worker.asked_by,
            )
            return True

    # Waited for as the run was: what has ended is paid for, and PostgreSQL or a file that somebody holds comes back.
    if not await worker.call_when_free(execution.task_key, land):
        raise RunNotLandedError(execution.task_key, run.id, "its JSON is none that DuckDB accepts")
