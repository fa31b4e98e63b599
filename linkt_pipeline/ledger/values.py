"""What is written into the ledger and what it answers: intentions, executions, claims and refusals. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.tasks import CommonSettings


class ExecutionState(StrEnum):
    """Where an attempt to start a run stands."""

    INTENDED = "intended"  # written down, the request may or may not have been sent
    UNKNOWN = "unknown"  # sent, and the reply was lost: a run may exist
    STARTED = "started"  # a run exists and is being waited for
    FINISHED = "finished"  # its run is terminal
    REFUSED = "refused"  # the API said no, or was never reached: no run exists
    LOST = "lost"  # looked for and not found: no run exists (any more)

    @property
    def is_open(self) -> bool:
        """Whether this row still stands for a run that exists or may exist."""
        return self in OPEN_STATES


OPEN_STATES = frozenset({ExecutionState.INTENDED, ExecutionState.UNKNOWN, ExecutionState.STARTED})


class LeaseLostError(LinktPipelineError):
    """Another process took this execution over; this process must not act on it any more."""


class RunTakenError(LinktPipelineError):
    """Another execution has this run already: one run is one row, so the ledger refuses to write it down again."""


class LedgerCheckFailedError(LinktPipelineError):
    """An error-level check of the ledger fails, so nothing that a new run finds could be published."""


class CreditLimitReachedError(LinktPipelineError):
    """``monthly_credit_limit`` of a task, or of all, is used up or leaves too little, so no new run is started."""


@dataclass(frozen=True)
class Intention:
    """What a task wants to buy: the exact request, before it is sent.

    Attributes:
        common: what tasks.yaml says of all tasks together.
        over_budget_by: who wants the run even if the limits leave less than its expected cost; None: nobody.
        after: the execution that the caller got before, as the caller last saw it. If it had ended, its outcome was not
            good enough, so the answer is a later run; another process may have bought, or even finished, that one
            already. If it was open and has finished since, its outcome is new to the caller and is the answer.
        not_before: finished executions that were intended before this moment answer an earlier question and not this
            one. An open execution is adopted, however old it is. By this machine's clock.
        question: the Dagster run that asked first. A completed run that answered it before answers it again, delivered
            or not. ``None``: nobody will repeat the question.
        same_question: other names of the question, under which it was asked before or will be repeated.
        asked_by: the command or Dagster run that gets the outcome; default: the owner of the claim.
        entries: the names in tasks.yaml. An open row under any other name, with exactly the request of this entry,
            belongs to this entry, which was renamed. ``None``: the names are unknown, so only the row's name counts.
    """

    task_key: str
    task_id: str
    icp_id: str | None
    parameters: Mapping[str, Any]
    attempt: int = 1
    dagster_run_id: str | None = None
    monthly_credit_limit: float | None = None
    timezone: str = "UTC"
    common: CommonSettings = field(default_factory=CommonSettings)
    over_budget_by: str | None = None
    after: "Execution | None" = None
    not_before: datetime | None = None
    question: str | None = None
    same_question: frozenset[str] = frozenset()
    asked_by: str | None = None
    entries: frozenset[str] | None = None

    @property
    def question_names(self) -> frozenset[str]:
        """Every name of the question; none if nobody will repeat it."""
        return self.same_question if self.question is None else self.same_question | {self.question}


@dataclass(frozen=True)
class Execution:
    """One row of the ledger. Times are aware, in UTC."""

    execution_id: str
    task_key: str
    task_id: str
    icp_id: str | None
    parameters: Mapping[str, Any]
    attempt: int
    state: ExecutionState
    intended_at: datetime
    run_id: str | None = None
    run_status: str | None = None
    error_kind: str | None = None
    dagster_run_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    last_error: str | None = None
    lease_owner: str | None = None
    lease_until: datetime | None = None
    clock_offset_seconds: float | None = None
    start_confirmed: bool | None = None
    expected_credits: float | None = None
    budget_rest: float | None = None
    over_budget_by: str | None = None

    @property
    def clock_offset(self) -> timedelta | None:
        """How far Linkt's clock was ahead of this machine's when the start was sent; None if unknown."""
        return None if self.clock_offset_seconds is None else timedelta(seconds=self.clock_offset_seconds)


@dataclass(frozen=True)
class Claim:
    """The answer to :meth:`~linkt_pipeline.ledger.ledger.Ledger.claim`.

    Attributes:
        execution: the row in question.
        execution.state: an open state, or ``finished``: its run has ended, and its outcome is owed.
        created: this call wrote the row; no request has been sent for it yet.
        owned: the caller holds the lease and may act. If False, another living process holds it; or the row is not open
            any more, because another process has bought and finished the run already.
        repeated: the same question got this answer before.
        asked_at: if owned, the lease lasts at least its length from then on, by
            :func:`~linkt_pipeline.clock.seconds_since_boot`.
    """

    execution: Execution
    created: bool
    owned: bool
    repeated: bool = False
    asked_at: float = 0.0
