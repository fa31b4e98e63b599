"""After a lost reply: which run, if any, did that request start?

There is no idempotency key to ask for, so the list of the task's runs is searched for one that the ledger
does not know yet, that carries the same input, and that was created when the request can have arrived.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from linkt_pipeline.api import IncompleteListError, NotFoundError, Run
from linkt_pipeline.runs.errors import AmbiguousRunsError
from linkt_pipeline.runs.worker import Worker
from linkt_pipeline.warehouse.ledger import Execution

_FIRST_PAUSE = 1 / 30  # of the window; doubles with every look


async def find_started_run(
    worker: Worker, execution: Execution, last_sent: datetime, *, window: timedelta | None = None
) -> Run | None:
    """Look for the run of an unclear start, several times, because lists may lag behind.

    The window begins with the first look of this process and is measured on its monotonic clock: neither the time at
    which another process was last seen nor a wall clock that is set shortens it.

    Args:
        worker: who asks.
        execution: the row whose request may or may not have started a run.
        last_sent: the latest moment at which the request can have left.
        window: how long to look; default: the settle window. After zero there was one look.

    Returns:
        The one run that fits, or ``None`` once the window has passed and the whole list, read after it, has none.

    Raises:
        IncompleteListError: no run that is shown carries the same input, and it may be among those that are not.
        AmbiguousRunsError: several runs fit, or one that another start may have made, and guessing could leave a paid
            run unwatched.
    """
    window = worker.timing.settle if window is None else window
    clock = asyncio.get_running_loop().time
    settled_at = clock() + window.total_seconds()
    pause = window.total_seconds() * _FIRST_PAUSE
    while True:
        looked_at = clock()
        try:
            found = await _candidates(worker, execution, last_sent)
        except IncompleteListError as error:
            if looked_at >= settled_at:
                raise IncompleteListError(
                    f"task {execution.task_key}: the run of an earlier start may be among those that Linkt's list does "
                    f"not show ({error}), so nothing is started. Run it again later, or name the run with: "
                    f"linkt-pipeline adopt {execution.task_key} RUN_ID"
                ) from None
            found = _Found()
        # What another start may have made is left for that one to take while there is time.
        candidates = [*found.own, *found.doubtful]
        if len(found.own) > 1 or (found.doubtful and looked_at >= settled_at):
            several = AmbiguousRunsError(execution.task_key, [_describe(run) for run in candidates])
            await worker.call(worker.ledger.mark_unknown, execution.execution_id, worker.owner, error=str(several))
            raise several
        if found.own and not found.doubtful:
            return found.own[0]
        if looked_at >= settled_at:
            return None
        await asyncio.sleep(max(0, min(pause, settled_at - clock())))
        pause *= 2


@dataclass
class _Found:
    """Runs that fit equally well.

    Attributes:
        own: no other start that is looked for fits them as well.
        doubtful: another start may have made them.
    """

    own: list[Run] = field(default_factory=list)
    doubtful: list[Run] = field(default_factory=list)


async def _candidates(worker: Worker, execution: Execution, last_sent: datetime) -> _Found:
    skew = worker.timing.clock_skew
    rivals = await worker.call(worker.ledger.rivals, execution, execution.intended_at - skew)
    known = await worker.call(worker.ledger.owned_run_ids, execution.task_id)
    fits: dict[Fit, list[Run]] = {fit: [] for fit in Fit}
    runs = worker.client.list_runs(task_id=execution.task_id, created_after=execution.intended_at - skew, whole=True)
    try:
        async for listed in runs:
            if listed.id in known or (listed.created_at and listed.created_at > last_sent + skew):
                continue
            run = listed
            if not listed.input:
                with suppress(NotFoundError):  # the list and the single read may be answered by different replicas
                    run = await worker.client.get_run(listed.id)
            fits[fit_of(execution, run)].append(run)
    except IncompleteListError:
        if not fits[Fit.SAME]:  # a run with the very input is the one, whatever else the list does not show
            raise
    same = _shared_out(execution, Fit.SAME, fits[Fit.SAME], rivals)
    return same if same.own or same.doubtful else _shared_out(execution, Fit.POSSIBLE, fits[Fit.POSSIBLE], rivals)


def _shared_out(execution: Execution, fit: "Fit", runs: Sequence[Run], rivals: Sequence[Execution]) -> _Found:
    """Runs that fit this start so well, less those that fit another start of the same Linkt task better."""
    request = (execution.icp_id, execution.parameters)
    others = [rival for rival in rivals if (rival.icp_id, rival.parameters) != request]
    found = _Found()
    for run in runs:
        theirs = {fit_of(rival, run) for rival in others}
        if fit is Fit.POSSIBLE and Fit.SAME in theirs:
            continue
        # Any run of the task has what a request without parameters asks for, so that shows nothing.
        says_more = fit is Fit.POSSIBLE and not execution.parameters and bool(_given(run))
        (found.doubtful if fit in theirs or says_more else found.own).append(run)
    return found


class Fit(Enum):
    """How well a run matches the request of a ledger row."""

    SAME = "same"
    POSSIBLE = "possible"  # says less, or more, than was asked: Linkt may add defaults
    DIFFERENT = "different"


def fit_of(execution: Execution, run: Run) -> Fit:
    """Compare a run's input with a request; only what contradicts the request rules a run out."""
    if execution.icp_id and run.icp_id and run.icp_id != execution.icp_id:
        return Fit.DIFFERENT
    given = _given(run)
    if given is None:
        return Fit.POSSIBLE
    if given == dict(execution.parameters):
        return Fit.SAME
    return Fit.DIFFERENT if _contradicts(given, execution.parameters) else Fit.POSSIBLE


def _given(run: Run) -> dict[str, object] | None:
    """The parameters that a run says it was started with, if it does."""
    given = (run.input or {}).get("parameters", run.input)
    if not run.input or not isinstance(given, Mapping):
        return None
    return {key: value for key, value in given.items() if key != "icp_id"}


def _contradicts(given: object, asked: object) -> bool:
    """Whether a value can't have come of what was asked; added defaults and numbers shown as text can."""
    if isinstance(given, Mapping) and isinstance(asked, Mapping):
        return any(key in given and _contradicts(given[key], value) for key, value in asked.items())
    return given != asked and str(given).casefold() != str(asked).casefold()


def _describe(run: Run) -> str:
    created = run.created_at.strftime("%Y-%m-%d %H:%M:%S UTC") if run.created_at else "unknown time"
    return f"{run.id}  {run.raw_status}  created {created}"
