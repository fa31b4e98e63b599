"""A Linkt API and a warehouse in memory, and a clock of crashes: small enough to try thousands of interleavings.

The ledger, the landing and the protocol are the real ones; only HTTP, the disk and the passing of hours are left out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import duckdb
import orjson

from linkt_pipeline.api import (
    Execution,
    MalformedBodyError,
    RateLimitedError,
    ReplyLostError,
    RequestNotSentError,
    Run,
    RunQueue,
    ServerError,
    ServiceUnavailableError,
    UnexpectedRedirectError,
)
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.migration import migrate

P = ParamSpec("P")
T = TypeVar("T")

LAG = timedelta(milliseconds=8)  # how late a run shows in the list

# How a start request can end: whether a run came of it, and what the client hears.
ANSWERS: dict[str, tuple[bool, Callable[[], Exception] | None]] = {
    "ok": (True, None),
    "lost reply": (True, lambda: ReplyLostError("no answer")),
    "500 after the work": (True, lambda: ServerError("500")),
    "503 after the work": (True, lambda: ServiceUnavailableError("503")),
    "429 after the work": (True, lambda: RateLimitedError("429", status=429)),
    "redirect after the work": (True, lambda: UnexpectedRedirectError("303", status=303)),
    "unreadable": (True, lambda: MalformedBodyError("?", payload="{", reason="cut", status=200)),
    "not sent": (False, lambda: RequestNotSentError("refused")),
    "503": (False, lambda: ServiceUnavailableError("503")),
    "429": (False, lambda: RateLimitedError("429", status=429)),
    "dropped before the work": (False, lambda: ReplyLostError("no answer")),
    "500 before the work": (False, lambda: ServerError("500")),
}


class Crash(BaseException):
    """The process is gone, here and now."""


@dataclass
class Fuse:
    """Crashes at the n-th point that is passed; every call of ledger and API has one before and one after."""

    points: int | None

    def burn(self) -> None:
        if self.points is None:
            return
        if self.points == 0:
            raise Crash
        self.points -= 1


class MemoryWarehouse(FileWarehouse):
    """The tables of the warehouse without a file."""

    def __init__(self) -> None:
        super().__init__(Path("never-written.duckdb"))
        self._con = duckdb.connect()
        self._con.execute("set TimeZone = 'UTC'")
        migrate(self._con)

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self._con

    @contextmanager
    def write(self, **how: Any) -> Iterator[duckdb.DuckDBPyConnection]:
        del how  # one connection for all, and nothing is built of it
        self._con.execute("begin transaction")
        try:
            yield self._con
            self._con.execute("commit")
        except BaseException:
            self._con.execute("rollback")
            raise

    def close(self) -> None:
        self._con.close()


@dataclass
class ModelApi:
    """Linkt: every start request may start a run; runs end at their second look."""

    answers: Iterator[str] = field(default_factory=lambda: iter(()))
    fails: Iterator[bool] = field(default_factory=lambda: iter(()))
    bad_lists: Iterator[bool] = field(default_factory=lambda: iter(()))
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    posts: int = 0

    def start(self, task_id: str, icp_id: str | None, parameters: Mapping[str, Any]) -> str:
        run_id = f"{len(self.runs) + 1:024x}"
        self.runs[run_id] = {
            "id": run_id,
            "task_id": task_id,
            "icp_id": icp_id,
            "status": "SCHEDULED",
            "input": {"parameters": dict(parameters)},
            "created_at": datetime.now(UTC),
            "looks": 0,
            "failing": next(self.fails, False),
        }
        return run_id


class ModelClient:
    """What the protocol uses of ``LinktClient``."""

    def __init__(self, api: ModelApi, fuse: Fuse) -> None:
        self._api, self._fuse = api, fuse
        self.clock_offset = timedelta(0)

    async def learn_clock(self, task_id: str) -> timedelta | None:
        await self._pass()
        return self.clock_offset

    async def execute_task(
        self, task_id: str, *, icp_id: str | None, parameters: Mapping[str, Any], before_send: Callable[[], None]
    ) -> Execution:
        before_send()
        await self._pass()
        self._api.posts += 1
        works, error = ANSWERS[next(self._api.answers, "ok")]
        run_id = self._api.start(task_id, icp_id, parameters) if works else ""
        await self._pass()
        if error is not None:
            raise error()
        return Execution.model_validate({"run_id": run_id, "status": "SCHEDULED"})

    async def list_runs(self, *, task_id: str, created_after: datetime, whole: bool) -> AsyncIterator[Run]:
        assert whole
        await self._pass()
        if next(self._api.bad_lists, False):
            raise ServerError("500")
        for wire in list(self._api.runs.values()):
            visible = datetime.now(UTC) - wire["created_at"] >= LAG
            if visible and wire["task_id"] == task_id and wire["created_at"] >= created_after:
                yield Run.model_validate(wire)

    async def get_run(self, run_id: str, *, attempts: int | None = None) -> Run:
        await self._pass()
        wire = self._api.runs[run_id]
        wire["looks"] += 1
        if wire["looks"] >= 2:
            wire["status"] = "FAILED" if wire["failing"] else "COMPLETED"
            wire["error"] = "Provider error" if wire["failing"] else None
            wire["updated_at"] = wire["created_at"]
        body = {**wire, "output": {"credits": {"total_credits": 1.5}}}
        return Run.model_validate(body).read_from(orjson.dumps(body).decode(), body)

    async def get_run_queue(self, run_id: str, **options: Any) -> RunQueue:
        return RunQueue.model_validate({})

    async def _pass(self) -> None:
        self._fuse.burn()
        await asyncio.sleep(0)


@dataclass
class MortalWorker(Worker):
    """A worker that does one thing at a time, and may die before or after each."""

    fuse: Fuse = field(default_factory=lambda: Fuse(None))

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.fuse.burn()
        await asyncio.sleep(0)
        result = function(*args, **kwargs)
        if getattr(function, "__name__", "") not in ("release", "deliver"):  # by then whoever asked has the outcome
            self.fuse.burn()
        return result
