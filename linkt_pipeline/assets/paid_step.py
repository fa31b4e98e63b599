"""A step that spends credits: a worker of this Dagster run, and what happens when the step is interrupted."""

import asyncio
import signal
import threading
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import FrameType
from typing import Any, TypeVar

import dagster as dg

from linkt_pipeline.assets.askers import asker_of, is_of_command
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.display import shown
from linkt_pipeline.executions.events import Event, Observer
from linkt_pipeline.executions.interrupt import settle_interrupted
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.tasks import CommonSettings, TaskSpec

T = TypeVar("T")

_MAX_RETRIES_TAG = "dagster/max_retries"
_RETRY_ON_FAILURE_TAG = "dagster/retry_on_asset_or_op_failure"


@dataclass
class PaidStep:
    """What a step that spends credits needs.

    Attributes:
        tasks: what it may execute.
        common: what tasks.yaml says of all tasks together.
        observer: receives every event, as the log does.
        entries: every name in tasks.yaml.
        not_before: see :class:`~linkt_pipeline.ledger.values.Intention`.
        question: see there.
        same_question: see there.
        over_budget_by: see there.
    """

    context: dg.AssetExecutionContext
    placement: Placement
    backend: Backend
    tasks: Sequence[TaskSpec]
    common: CommonSettings
    observer: Observer | None
    entries: frozenset[str]
    not_before: datetime | None = None
    question: str | None = None
    same_question: frozenset[str] = frozenset()
    over_budget_by: str | None = None
    worker: Worker | None = field(default=None, init=False)
    interrupted: bool = field(default=False, init=False)

    def run(self, work: Callable[[Worker], Coroutine[Any, Any, T]]) -> T:
        """Do the work. After an interrupt, settle what is open, then pass the interrupt on."""
        try:
            result = asyncio.run(self._work(work))
            if self.interrupted:  # too late to stop anything
                raise dg.DagsterExecutionInterruptedError
            return result
        except BaseException as error:
            if isinstance(error, Exception) and not self.interrupted:
                raise
            with _handling_signals(signal.SIG_IGN):
                self._settle_interrupt()
            if self.interrupted:
                raise dg.DagsterExecutionInterruptedError from None
            raise

    @property
    def publishes(self) -> bool:
        """Whether this Dagster run also publishes; then the snapshot delivers the outcomes."""
        snapshot, steps = self.placement.snapshot, self.context.run.step_keys_to_execute
        if steps is not None and snapshot.to_python_identifier() not in steps:  # executed again from selected steps
            return False
        return snapshot in self.context.job_def.asset_layer.selected_asset_keys

    def leave_retries_to_people(self) -> None:
        """Keep Dagster's retries of runs (``run_retries``) away from a failure that was told: each would buy a run."""
        self.context.instance.add_run_tags(self.context.run.run_id, {_RETRY_ON_FAILURE_TAG: "false"})

    def deliver(self, execution_ids: Collection[str]) -> None:
        """Record that the caller has what was asked for; the command does so by itself."""
        if execution_ids and self.worker is not None and not is_of_command(self.context.run):
            asyncio.run(self.worker.deliver(execution_ids))

    async def _work(self, work: Callable[[Worker], Coroutine[Any, Any, T]]) -> T:
        warehouse, run = self.backend.warehouse, self.context.run
        with _handling_signals(self._interruption_of(asyncio.current_task())):
            async with self.backend.client() as client:
                self.worker = Worker(
                    client,
                    warehouse,
                    ledger_of(warehouse),
                    self._report,
                    dagster_run_id=run.run_id,
                    asker=asker_of(run),
                    not_before=self.not_before,
                    question=self.question,
                    same_question=self.same_question,
                    entries=self.entries,
                    common=self.common,
                    over_budget_by=self.over_budget_by,
                )
                return await work(self.worker)

    def _interruption_of(self, work: "asyncio.Task[Any] | None") -> Callable[[int, FrameType | None], None]:
        """A signal handler that cancels the work.

        Dagster's own handler raises wherever the signal finds the program. Inside of one of many tasks asyncio holds
        such an error back until all the other tasks have ended, which may take hours.
        """
        loop = asyncio.get_running_loop()

        def interrupt(number: int, frame: FrameType | None) -> None:
            del number, frame
            if not self.interrupted and work is not None:  # Ctrl-C reaches a process group, often twice
                self.interrupted = True
                loop.call_soon_threadsafe(work.cancel)

        return interrupt

    def _report(self, event: Event) -> None:
        log = self.context.log.warning if event.is_warning else self.context.log.info
        log(event.text)
        if self.observer:
            self.observer.on_event(event)

    def _settle_interrupt(self) -> None:
        """Settle the open runs. An interrupt must end as an interrupt, so an error here is only logged."""
        try:
            if self.worker is not None:
                asyncio.run(self._settle(self.worker))
        except Exception as error:
            self.context.log.warning(
                f"the interrupted runs could not be settled; they stay adoptable: {shown(str(error))}"
            )

    async def _settle(self, worker: Worker) -> None:
        by_person = self._terminated_by_person()
        async with self.backend.client() as client:
            cancelled = await settle_interrupted(worker, client, self.tasks, by_person=by_person)
        # Dagster's retry of an interrupted run would buy again what was just cancelled. A run that a person terminated
        # has no retry, and whatever executes it again would inherit the tag.
        if cancelled and not by_person:
            self.context.instance.add_run_tags(self.context.run.run_id, {_MAX_RETRIES_TAG: "0"})

    def _terminated_by_person(self) -> bool:
        """Terminate in the UI marks the Dagster run CANCELING before the signal comes; a bare SIGTERM does not."""
        run = self.context.instance.get_run_by_id(self.context.run.run_id)
        return run is not None and run.status is dg.DagsterRunStatus.CANCELING


@contextmanager
def _handling_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    """Let ``handler`` have what would interrupt the step; only the main thread is ever interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
