"""What ingesting a file will take: minutes and credits, and whether the limits leave that much."""

from dataclasses import dataclass

import duckdb

from linkt_pipeline.ledger.credit_guard import limits_on
from linkt_pipeline.ledger.rows import LedgerRows
from linkt_pipeline.ledger.values import CreditLimitReachedError
from linkt_pipeline.tasks import CommonSettings, TaskSpec
from linkt_pipeline.warehouse.credits import expected_credits

MINUTES_A_ROW = 1.0  # the supplier's figure: 15 rows in about 15 minutes


@dataclass(frozen=True)
class Estimate:
    """What a file is expected to take.

    Attributes:
        rows: of the file.
        credits: None if no completed run of the task has stated its cost yet.
        basis: what the credits were computed from.
    """

    rows: int
    credits: float | None
    basis: str

    @property
    def minutes(self) -> float:
        """How long Linkt will work."""
        return self.rows * MINUTES_A_ROW


def estimate(con: duckdb.DuckDBPyConnection, task: TaskSpec, rows: int) -> Estimate:
    """What the rows of a file are expected to cost: by what rows of this task cost before, else by its runs."""
    row = con.execute(
        """
        select sum(cost.credits) / sum(ingest.file_rows)
        from linkt.ingests as ingest
        join linkt.run_costs as cost on cost.execution_id = ingest.execution_id
        where lower(ingest.task_id) = lower($1) and cost.credits is not null
        """,
        [task.task_id],
    ).fetchone()
    if row and row[0] is not None:
        return Estimate(rows, row[0] * rows, f"{row[0]:.2g} credits a row in earlier files of the task")
    median = expected_credits(con, task.task_id)
    if median is None:
        return Estimate(rows, None, "no completed run of the task has stated its cost yet")
    return Estimate(rows, median, "median of the task's last completed runs")


def require_room(rows: LedgerRows, task: TaskSpec, common: CommonSettings, expected: Estimate) -> None:
    """Check, before a file is sent, that the limits leave what it is expected to cost.

    The ledger checks the start of the run again, as it checks every start.

    Raises:
        CreditLimitReachedError: a limit leaves less.
    """
    for limit in limits_on(rows, task, common):
        if not limit.leaves_room(expected.credits):
            wanted = "" if expected.credits is None else f", and the file is expected to cost {expected.credits:g}"
            raise CreditLimitReachedError(
                f"task {task.key}: {limit.in_words} this month{wanted} ({expected.basis}), so nothing was sent. Raise "
                "the limit in tasks.yaml, wait for the next month, or ingest it all the same with --over-budget"
            )
