"""The sandbox's world: a clock that carries out the planned steps of its runs, lazily, whenever somebody looks.

No background task is needed, and a world that was shut down in the middle of a run catches up at its next start.
"""

import heapq
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any

from linkt_pipeline.sandbox.errors import SandboxError, invalid, not_found
from linkt_pipeline.sandbox.faults import FaultBox, Stage, parse_fault
from linkt_pipeline.sandbox.request_log import RequestLog
from linkt_pipeline.sandbox.world.files import items_of
from linkt_pipeline.sandbox.world.holdings import Holdings
from linkt_pipeline.sandbox.world.outcomes import outcome_under
from linkt_pipeline.sandbox.world.plan import LIFE_SECONDS, Action, Outcome, Plan, Step, plan_run
from linkt_pipeline.sandbox.world.records import RunRecord
from linkt_pipeline.sandbox.world.reference_data import (
    FAIR_LIST_ROWS,
    SEARCH_TASK,
    SHEET_SIGNALS_TASK,
    TOPIC_SIGNALS_TASK,
)
from linkt_pipeline.sandbox.world.research import Researcher
from linkt_pipeline.sandbox.world.store import Store

DEFAULT_RESULTS = 25
MAX_RESULTS = 100_000
WEEK = 7 * 86_400.0
_WEEKLY_RUNS = ((1, SEARCH_TASK, 4), (2, SHEET_SIGNALS_TASK, 3), (3, TOPIC_SIGNALS_TASK, 2))  # hour, task, results


class World:
    """What the API shows. Safe to use from several threads.

    Attributes:
        own: runs, entities, signals and reference objects.
        faults: what goes wrong on purpose.
        requests: every request that was answered (or was not, on purpose).
        speed: how many times faster than usual runs go.
        lock: hold it to look at several things at one moment.
    """

    def __init__(
        self,
        state_dir: Path | None = None,
        *,
        seed: int = 7,
        speed: float = 1.0,
        faults: Iterable[str] = (),
        history_weeks: int = 0,
    ) -> None:
        self.state_dir = state_dir
        self.speed = speed
        self.faults = FaultBox(seed)
        self.requests = RequestLog()
        self.lock = threading.RLock()
        self._store, self.own = _open(state_dir and state_dir / "sandbox.sqlite", seed)
        self._researcher = Researcher(self.own)
        self._plans: dict[str, Plan] = {}
        self._due: list[tuple[float, int, str]] = []
        for run in self.own.runs.values():
            self._await_next_step(run)
        if self.own.new:
            self._researcher.settle_in(time.time() - history_weeks * WEEK)
            self._play_history(history_weeks)
            self.own.commit()
        for spec in faults:
            self.faults.add(parse_fault(spec))

    @property
    def runs(self) -> dict[str, RunRecord]:
        """All runs by id, brought up to date."""
        with self.lock:
            self.advance()
            return dict(self.own.runs)

    def run_count(self, task_id: str | None = None) -> int:
        """How many runs exist, of one task or of all: what would have been paid for."""
        return sum(task_id in (None, run.task_id) for run in self.runs.values())

    def skew(self) -> float:
        """Seconds the server's clock is ahead of the real one."""
        fault = self.faults.active("clock_skew")
        return fault.number(0.0) if fault else 0.0

    def clock(self) -> float:
        """Unix seconds as the server's clock shows them."""
        return time.time() + self.skew()

    def advance(self, now: float | None = None) -> None:
        """Carry out every step that is due, in time order across all runs."""
        now = time.time() if now is None else now
        with self.lock:
            if not self._due or self._due[0][0] > now:
                return
            while self._due and self._due[0][0] <= now:
                at, _, run_id = heapq.heappop(self._due)
                run = self.own.runs.get(run_id)
                if run and not run.terminal:
                    self._carry_out(run, self._plan(run).steps[run.cursor], at)
                    run.cursor += 1
                    self.own.put_run(run)
                    self._await_next_step(run)
            self.own.commit()

    def execute(
        self, task_id: str, icp_id: str | None, parameters: dict[str, Any] | None, *, at: float | None = None
    ) -> RunRecord:
        """Start a run of a task. Every call starts another one, as the real API does.

        Args:
            task_id: the task.
            icp_id: the ICP to work for; None takes the task's own.
            parameters: ``num_results`` (companies, signals), ``input_entities`` (rows of an ingest).
            at: Unix seconds at which it starts; now by default, the past to make up history.

        Raises:
            Refusal: 404 for an unknown task or ICP, 422 for parameters that can't be used.
        """
        with self.lock:
            task = self.own.reference["task"].get(task_id)
            if task is None:
                raise not_found("Task")
            icp_id = icp_id or task["icp_id"]
            if icp_id is not None and icp_id not in self.own.reference["icp"]:
                raise not_found("ICP")
            started = time.time() if at is None else at
            self.advance(started)
            outcome = outcome_under(self.faults.take(Stage.RUN, "execute", task_id))
            if icp_id is None:
                text = "Run document has no ICP ID"  # what customers saw when they left it out
                outcome = replace(outcome, status="FAILED", error=text, at=0.2, output="null")
            run = self._new_run(task, icp_id, parameters, outcome, started)
            self.own.put_run(run)
            self._await_next_step(run)
            self.own.commit()
            return run

    def cancel(self, run_id: str) -> None:
        """Stop a run where it is; what it created stays. A run that has ended stays as it is.

        Raises:
            Refusal: 404 for an unknown run.
        """
        with self.lock:
            run = self.find_run(run_id)
            if not run.terminal:
                run.status = "CANCELED"
                run.updated = run.ended = time.time()
                self.own.put_run(run)
                self.own.commit()

    def find_run(self, run_id: str) -> RunRecord:
        """One run, brought up to date.

        Raises:
            Refusal: 404.
        """
        self.advance()
        run = self.own.runs.get(run_id)
        if run is None:
            raise not_found("Run")
        return run

    def queue_rows(self, run: RunRecord) -> list[dict[str, Any]]:
        """The run's candidates as they stand now, each with the ``started`` and ``ended`` seconds of its states."""
        stopped = run.ended if run.ended is not None else time.time()
        rows = []
        for candidate in self._plan(run).candidates:
            elapsed = min(stopped, time.time()) - run.started
            state = "queued" if elapsed < candidate.started else "processing"
            if elapsed >= candidate.ended:
                state = "discarded" if candidate.reason else "completed"
            rows.append({"candidate": candidate, "state": state})
        return rows

    def close(self) -> None:
        """Release the state file."""
        with self.lock:
            self._store.close()

    def _play_history(self, weeks: int) -> None:
        """Runs that Linkt's own schedule started in the weeks before the sandbox was first opened."""
        now = time.time()
        for week in range(weeks, 0, -1):
            for hour, task_id, results in _WEEKLY_RUNS:
                task = self.own.reference["task"][task_id]
                at = now - week * WEEK + hour * 3600
                self.execute(task_id, task["icp_id"], {"num_results": results + week % 3}, at=at)
                self.advance(at + 60)

    def _new_run(
        self, task: dict[str, Any], icp_id: str | None, parameters: dict[str, Any] | None, outcome: Outcome, at: float
    ) -> RunRecord:
        flow = task["flow_name"]
        task_type = "signal" if flow.startswith("signal") else flow
        number = self.own.last_run_number + 1
        rng = Random(f"{self.own.seed}:run:{number}")  # noqa: S311 made-up data
        wanted, updates, signals = self._amounts(task, task_type, parameters or {}, rng)
        skew = self.skew()
        given = {} if icp_id is None else {"icp_id": icp_id}
        run_id = self.own.ids.mint(at + skew)
        return RunRecord(
            id=run_id,
            number=number,
            task_id=task["id"],
            icp_id=icp_id,
            task_type=task_type,
            input=given if parameters is None else {**given, "parameters": parameters},
            wanted=wanted,
            updates=updates,
            signals_wanted=signals,
            life=outcome.life or LIFE_SECONDS.get(task_type, 3.0) / self.speed,
            started=at,
            updated=at,
            skew=skew,
            outcome=asdict(outcome),
        )

    def _amounts(
        self, task: dict[str, Any], task_type: str, parameters: dict[str, Any], rng: Random
    ) -> tuple[list[Any], int, int]:
        """Companies to create, companies to look at again, and signals to find."""
        results = parameters.get("num_results")
        if results is not None and (not isinstance(results, int) or isinstance(results, bool)):
            raise invalid("int_type", ("body", "parameters", "num_results"), "Input should be a valid integer", results)
        if results is not None and not 0 <= results <= MAX_RESULTS:
            raise invalid(
                "less_than_equal", ("body", "parameters", "num_results"),
                f"Input should be between 0 and {MAX_RESULTS}", results, ge=0, le=MAX_RESULTS,
            )  # fmt: skip
        match task_type:
            case "search":
                count = DEFAULT_RESULTS if results is None else results
                return [None] * count, max(1, count // 4), 0
            case "ingest":
                rows = parameters.get("input_entities") or self._rows_of_file(task)
                if not isinstance(rows, list):
                    loc = ("body", "parameters", "input_entities")
                    raise invalid("list_type", loc, "Input should be a valid list", rows)
                return rows, 0, 0
            case "signal":
                most = 8 if (task["task_config"] or {}).get("type") == "signal-sheet" else 5
                return [], 0, rng.randrange(3, most) if results is None else results
        return [], 0, 0

    def _rows_of_file(self, task: dict[str, Any]) -> list[Any]:
        """What an ingest makes of each row of the file that its task names; the fair's list has no file."""
        config = task["task_config"] or {}
        document = self.own.reference["file"].get(str(config.get("file_id")))
        if document is None or "rows" not in document:
            return list(range(FAIR_LIST_ROWS))
        return items_of(document, str(config.get("primary_column"))) or []

    def _plan(self, run: RunRecord) -> Plan:
        """The run's plan, made again from its seed whenever it is needed after a restart."""
        if run.id not in self._plans:
            self._plans[run.id] = plan_run(
                run.task_type or "",
                Random(f"{self.own.seed}:plan:{run.number}"),  # noqa: S311
                wanted=run.wanted,
                updates=run.updates,
                signals=run.signals_wanted,
                life=run.life,
                outcome=Outcome(**run.outcome),
            )
        return self._plans[run.id]

    def _await_next_step(self, run: RunRecord) -> None:
        if run.terminal:
            return
        steps: Sequence[Step] = self._plan(run).steps
        if run.cursor < len(steps):
            heapq.heappush(self._due, (run.started + steps[run.cursor].offset, run.number, run.id))

    def _carry_out(self, run: RunRecord, step: Step, at: float) -> None:
        match step.action:
            case Action.STATUS:
                run.status = step.value
            case Action.CREATE_COMPANY:
                self._researcher.create_company(run, step.value, at)
            case Action.UPDATE_COMPANY:
                self._researcher.update_company(run, at)
            case Action.CREATE_SIGNAL:
                config = self.own.reference["task"].get(run.task_id or "", {}).get("task_config") or {}
                self._researcher.create_signal(run, step.value, at, config.get("source_icp_id"))
            case Action.FINISH:
                self._finish(run, step.value, at)
        run.updated = at

    def _finish(self, run: RunRecord, status: str, at: float) -> None:
        outcome = Outcome(**run.outcome)
        run.status, run.error, run.ended = status, outcome.error, at
        named = run.signals_created if run.task_type == "signal" else run.entities_created
        named += [self.own.ids.mint(at + run.skew) for _ in range(outcome.missing_ids)]
        named += [f"not-an-id/{number}" for number in range(outcome.malformed_ids)]


def _open(path: Path | None, seed: int) -> tuple[Store, Holdings]:
    try:
        store = Store(path)
        return store, Holdings(store, seed)
    except (sqlite3.DatabaseError, OSError, TypeError, KeyError, ValueError) as error:
        raise SandboxError(
            f"{path} can't be read as a sandbox's world ({error}); it may be of another version. "
            "Delete it to begin a new one: everything in it is made up."
        ) from None
