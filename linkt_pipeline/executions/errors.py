"""How executing a task can end without a completed run."""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from linkt_pipeline.collection.error_kind import ADVICE
from linkt_pipeline.display import shown
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.events import format_elapsed
from linkt_pipeline.tasks import ErrorKind

_LONGEST_CAUSE = 500  # what to do about it must stay in sight


class ExecutionError(LinktPipelineError):
    """A task could not be brought to a completed run."""


class NotStartedError(ExecutionError):
    """No run was started and nothing was spent."""


class UnreachableError(NotStartedError):
    """No request reached the API: most often a mistake in LINKT_BASE_URL, or no network."""

    exit_code: ClassVar[int] = 2


class StartRefusedError(NotStartedError):
    """The API refused the request for good; the same request would be refused again."""

    exit_code: ClassVar[int] = 2


class AmbiguousRunsError(ExecutionError):
    """A reply was lost, and it is not certain which run it was about."""

    def __init__(self, task_key: str, candidates: Sequence[str]) -> None:
        listed = "\n".join(f"  {candidate}" for candidate in candidates)
        super().__init__(
            f"task {task_key}: the reply to a start was lost and {_counted(candidates)} could be the one it started:\n"
            f"{listed}\n"
            f"Choose one with: linkt-pipeline adopt {task_key} RUN_ID, or say that it is none of them with: "
            f"linkt-pipeline adopt {task_key} --none. Nothing is started until then."
        )
        self.candidates = tuple(candidates)


class StartNotFoundError(ExecutionError):
    """Linkt confirmed a start without naming its run, and lists no run of this request."""

    def __init__(self, task_key: str, cause: str) -> None:
        super().__init__(
            f"task {task_key}: Linkt confirmed a start without naming its run, and lists no run of this request: "
            f"{shown(cause, _LONGEST_CAUSE)}. The run probably exists, so nothing is sent again. The next start looks "
            f"for it once more. Name it with: linkt-pipeline adopt {task_key} RUN_ID, or say that Linkt has none with: "
            f"linkt-pipeline adopt {task_key} --none"
        )


def _counted(candidates: Sequence[str]) -> str:
    return "1 run, which may be another start's," if len(candidates) == 1 else f"{len(candidates)} runs"


class StillRunningError(ExecutionError):
    """``max_wait`` passed. The run goes on, nothing was cancelled."""

    def __init__(self, task_key: str, run_id: str, status: str, max_wait: timedelta) -> None:
        super().__init__(
            f"task {task_key}: run {run_id} is still running ({status}) after max_wait of {format_elapsed(max_wait)}. "
            "It was not cancelled; materialize again to keep waiting for the same run (nothing is bought twice), "
            f"or stop it with: linkt-pipeline cancel {run_id}"
        )


class RunGoneError(ExecutionError):
    """The API no longer knows a run that was being waited for."""

    def __init__(self, task_key: str, run_id: str) -> None:
        super().__init__(
            f"task {task_key}: run {run_id} no longer exists in Linkt (deleted?). Its ledger row is closed as lost; "
            "materialize again to start a new run"
        )


class RetryNotStartedError(ExecutionError):
    """A run failed, and the further attempt that its task allows could not be started."""

    def __init__(self, failure: "RunFailedError", attempt: int, cause: LinktPipelineError) -> None:
        super().__init__(f"{failure}\nAttempt {attempt} could not be started: {cause}")


class RunNotVisibleError(ExecutionError):
    """The key shows neither a run that is waited for nor its task, so the key is at fault, not the run."""

    exit_code: ClassVar[int] = 2

    def __init__(self, task_key: str, run_id: str, task_id: str) -> None:
        super().__init__(
            f"task {task_key}: to this key, Linkt shows neither run {run_id} nor the task {task_id}. Check "
            "LINKT_API_KEY (of another organization?) and task_id in tasks.yaml. The run stays adoptable, and nothing "
            "is started until then"
        )


class RunNotLandedError(ExecutionError):
    """A run has ended, but what Linkt sends of it can't be stored. Its ledger row stays open, so nothing is bought."""

    def __init__(self, task_key: str, run_id: str, reason: str) -> None:
        super().__init__(
            f"task {task_key}: run {run_id} can't be landed: {reason}. What arrived is kept in linkt.rejects, and the "
            f"task starts no other run until this one is landed (`linkt-pipeline run {task_key}` tries again, at no "
            f"cost) or given up (`linkt-pipeline cancel {run_id}`)"
        )


class RunFailedError(ExecutionError):
    """The run ended, and not as COMPLETED. It is landed, with what it spent and the ids it named."""

    def __init__(
        self, task_key: str, run_id: str, status: str, error: str | None, kind: ErrorKind, credits_spent: float | None
    ) -> None:
        cause = (
            "cancelled in Linkt"
            if status == "CANCELED"
            else f"{kind.value}: {shown(error or 'no error text', _LONGEST_CAUSE)}"
        )
        advice = "run it again when it is wanted" if status == "CANCELED" else ADVICE[kind]
        spent = "an unknown number of" if credits_spent is None else f"{credits_spent:g}"
        super().__init__(
            f"task {task_key}: run {run_id} ended {status} ({cause}); it cost {spent} credits. What to do: {advice}"
        )
        self.kind = kind
        self.status = status
