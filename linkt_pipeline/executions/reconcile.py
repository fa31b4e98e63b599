"""After an unclear reply: which run, if any, did that request start?

The API has no idempotency key. So this module searches the list of the task's runs for a run that the ledger does not
know yet, that has the same input, and that was created when the request can have arrived. The filters of the list save
requests and prove nothing: each listed run is compared here.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from linkt_pipeline.api import (
    IncompleteListError,
    LinktApiError,
    NotFoundError,
    Run,
    is_id,
    made_at,
    same_id,
)
from linkt_pipeline.executions.errors import AmbiguousRunsError
from linkt_pipeline.executions.fit import Fit, fit_of, given_parameters
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.values import Execution

_UNKNOWN_CLOCK = timedelta(days=1)  # a clock that nobody compared with Linkt's may have been off by as much
_FIRST_PAUSE = 1 / 30  # of the settle window; doubles with every look


async def find_started_run(
    worker: Worker,
    execution: Execution,
    last_sent: datetime,
    *,
    window: timedelta | None = None,
    patience: timedelta = timedelta(0),
    by_request: bool = True,
) -> Run | None:
    """Look for the run of an unclear start, several times, because lists may lag behind.

    The window begins with the first look of this process and is measured on its monotonic clock. So neither an earlier
    look of another process nor a wall clock that somebody sets can make it shorter.

    Args:
        worker: who asks.
        execution: the row whose request may or may not have started a run.
        last_sent: the latest moment at which the request can have left.
        window: how long to look; default: the settle window.
        patience: how long to wait while the list can't be read.
        by_request: a run of this request counts. If False, only the run that the row names does.

    Returns:
        The one run that fits, or ``None`` once the window has passed and the whole list, read after it, has none.

    Raises:
        IncompleteListError: no listed run has the same input, and Linkt does not list all of them.
        AmbiguousRunsError: several runs fit, or the one that fits may belong to another start or system. A wrong guess
            would leave a paid run unwatched.
        LinktApiError: the list can't be read.
    """
    window = worker.timing.settle if window is None else window
    clock = asyncio.get_running_loop().time
    settled_at = clock() + window.total_seconds()
    give_up_at = settled_at + patience.total_seconds()
    pause = worker.timing.settle.total_seconds() * _FIRST_PAUSE
    while True:
        looked_at = clock()
        try:
            found = await _look(worker, execution, last_sent, by_request=by_request)
        except IncompleteListError as error:
            if looked_at >= settled_at:
                raise _hidden(execution, error) from None
            found = _Found()
        except LinktApiError as error:
            wait = max(getattr(error, "retry_after", None) or timedelta(0), worker.timing.resend).total_seconds()
            if not error.retriable or clock() + wait > give_up_at:
                raise
            await asyncio.sleep(wait)
            continue
        # While there is time, leave a doubtful run to the other start that may have made it.
        candidates = [*found.own, *found.doubtful]
        if len(found.own) > 1 or (found.doubtful and looked_at >= settled_at):
            several = AmbiguousRunsError(execution.task_key, [_describe(run) for run in candidates])
            await worker.call(
                worker.ledger.mark_unknown,
                execution.execution_id,
                worker.owner,
                error=str(several),
                needs_person=True,
            )
            raise several
        if found.own and not found.doubtful:
            return found.own[0]
        if looked_at >= settled_at:
            return None
        await asyncio.sleep(max(0, min(pause, settled_at - clock())))
        pause *= 2


def _hidden(execution: Execution, error: IncompleteListError) -> IncompleteListError:
    return IncompleteListError(
        f"task {execution.task_key}: the run of an earlier start may be among those that Linkt's list does "
        f"not show ({error}), so nothing is started. Run it again later, or name the run with: "
        f"linkt-pipeline adopt {execution.task_key} RUN_ID"
    )


@dataclass
class _Found:
    """What one reading of the list has shown.

    Attributes:
        own: runs that this start may have made, and no other start did.
        doubtful: runs that another start may have made too, or whose task or time is not certain.
    """

    own: list[Run] = field(default_factory=list)
    doubtful: list[Run] = field(default_factory=list)


@dataclass
class _Listed:
    """The runs of a list, sorted by how they match an execution.

    Attributes:
        execution: the execution whose run is searched.
        bounds: the task and the time that its run must have.
        named: the run that the row names, with its id as the list spells it.
        fits: runs of this task and time, by how well they fit the request.
        unsure: runs that fit, but do not say their task or time, contradict themselves about the time, or have a time
            that only a wrong clock explains.
        unusable: ids of runs that fit, in a form that no request may contain.
    """

    execution: Execution
    bounds: "_Bounds"
    named: list[Run] = field(default_factory=list)
    fits: dict[Fit, list[Run]] = field(default_factory=lambda: {fit: [] for fit in Fit})
    unsure: list[Run] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)

    def add(self, run: Run) -> None:
        """Add a run to the group that it belongs to."""
        fit = fit_of(self.execution, run)
        if fit is Fit.DIFFERENT or not self.bounds.allow(run):
            return
        if not is_id(run.id):
            self.unusable.append(run.id)
        elif run.task_id is None or not self.bounds.confirm_time_of(run):
            self.unsure.append(run)
        else:
            self.fits[fit].append(run)

    def left_for_this_start(self, rivals: Sequence[Execution]) -> _Found:
        """The runs that are left for this start once other starts of the same Linkt task have theirs."""
        if self.named:
            return _Found(own=self.named)
        # A run with exactly this input outweighs every run that only may fit.
        for fit in (Fit.SAME, Fit.POSSIBLE):
            found = _own_and_doubtful(self.execution, fit, self.fits[fit], rivals)
            if found.own or found.doubtful:
                return found
        return _Found(doubtful=self.unsure)


@dataclass(frozen=True)
class _Bounds:
    """The task that a run must have, and the time at which it can have been made, by Linkt's clock.

    Attributes:
        task_id: Linkt's id of the task.
        since: the earliest moment.
        until: the latest moment.
        margin: how far outside of the two moments a run may lie, because clocks may differ by so much.
    """

    task_id: str
    since: datetime
    until: datetime
    margin: timedelta

    def allow(self, run: Run) -> bool:
        """Whether the run may be of this task and time. Compared here, because a list may ignore its filters."""
        if run.task_id is not None and not same_id(run.task_id, self.task_id):
            return False
        made = (run.created_at, made_at(run.id))
        return run.created_at is None or any(self._hold(moment, self.margin) for moment in made)

    def confirm_time_of(self, run: Run) -> bool:
        """Whether the run is certain to be of this time: by its own field or, without one, by its id."""
        return self._hold(run.created_at or made_at(run.id))

    @property
    def earliest(self) -> datetime:
        """Nothing from before then is allowed."""
        return self.since - self.margin

    def _hold(self, moment: datetime | None, margin: timedelta = timedelta(0)) -> bool:
        return moment is not None and self.since - margin <= moment <= self.until + margin


async def _look(worker: Worker, execution: Execution, last_sent: datetime, *, by_request: bool) -> _Found:
    bounds = _time_bounds(worker, execution, last_sent)
    rivals = await worker.call(worker.ledger.rivals, execution, bounds.earliest)
    known = await worker.call(worker.ledger.owned_run_ids, execution.task_id)
    others = known - {execution.run_id}
    passed = {run_id.casefold() for run_id in known}  # the list may show one run in two spellings
    listed_since = _since_named(execution, bounds.earliest)
    seen = _Listed(execution, bounds)
    try:
        async for listed in worker.client.list_runs(task_id=execution.task_id, created_after=listed_since, whole=True):
            if is_id(listed.id) and same_id(listed.id, execution.run_id) and listed.id not in others:
                seen.named.append(listed)
            elif by_request and listed.id.casefold() not in passed and bounds.allow(listed):
                passed.add(listed.id.casefold())
                seen.add(await _with_input(worker, listed))
        if seen.unusable:
            raise IncompleteListError(f"a run of the task has the id {seen.unusable[0]!r}, which can't be asked for")
    except IncompleteListError:
        # The named run, or a run with exactly this input, is ours, even if the list is incomplete.
        if not seen.named and not seen.fits[Fit.SAME]:
            raise
    return seen.left_for_this_start(rivals)


def _own_and_doubtful(execution: Execution, fit: Fit, runs: Sequence[Run], rivals: Sequence[Execution]) -> _Found:
    """Runs that fit this start at this level, without those that fit another start of the Linkt task better."""
    request = (execution.icp_id, execution.parameters)
    others = [rival for rival in rivals if (rival.icp_id, rival.parameters) != request]
    found = _Found()
    for run in runs:
        theirs = {fit_of(rival, run) for rival in others}
        # This run is exactly what another start asked for, and only may be ours.
        if fit is Fit.POSSIBLE and Fit.SAME in theirs:
            continue
        # A request without parameters fits any run of the task, so that such a fit shows nothing.
        says_more = fit is Fit.POSSIBLE and not execution.parameters and bool(given_parameters(run))
        (found.doubtful if fit in theirs or says_more else found.own).append(run)
    return found


async def _with_input(worker: Worker, listed: Run) -> Run:
    says_enough = listed.input and listed.task_id is not None and (listed.created_at or made_at(listed.id))
    # A list may leave out the input. One more read is cheap; a wrong guess leaves a paid run unwatched.
    if says_enough or not is_id(listed.id):
        return listed
    with suppress(NotFoundError):  # the list and the single read may be answered by different replicas
        return await worker.client.get_run(listed.id)
    return listed


def _time_bounds(worker: Worker, execution: Execution, last_sent: datetime) -> _Bounds:
    # The row holds the time of the machine that wrote it. Linkt's clock may differ from it, by what the row says or by
    # what its answers say now, and so may the clock of this machine by now: the bounds hold by each.
    first, last = execution.intended_at, max(execution.intended_at, last_sent)
    offsets = [timedelta(0), *(known for known in (execution.clock_offset, worker.client.clock_offset) if known)]
    skew = worker.timing.clock_skew
    # If the machine that wrote the row never learnt Linkt's time, a run of another hour may be the one: it is doubtful.
    margin = timedelta(0) if execution.clock_offset is not None else _UNKNOWN_CLOCK
    return _Bounds(execution.task_id, first + min(offsets) - skew, last + max(offsets) + skew, margin)


def _since_named(execution: Execution, since: datetime) -> datetime | None:
    """A run that was adopted by hand is older than its row."""
    if execution.run_id is None:
        return since
    made = made_at(execution.run_id)
    return made and min(since, made - timedelta(minutes=1))


def _describe(run: Run) -> str:
    created = run.created_at.strftime("%Y-%m-%d %H:%M:%S UTC") if run.created_at else "unknown time"
    return f"{run.id}  {run.raw_status}  created {created}"
