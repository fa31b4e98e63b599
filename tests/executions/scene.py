"""A pipeline in miniature: a sandbox served over HTTP, a warehouse file, and workers whose hours last milliseconds."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr

from linkt_pipeline.api import LinktClient
from linkt_pipeline.executions.events import Event
from linkt_pipeline.executions.execute import Outcome, execute_tasks
from linkt_pipeline.executions.worker import Timing, Worker
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.ledger import Ledger
from linkt_pipeline.ledger.values import Execution
from linkt_pipeline.sandbox import Sandbox
from linkt_pipeline.sandbox.world.reference_data import SAAS, SEARCH_TASK
from linkt_pipeline.tasks import TaskSpec
from linkt_pipeline.warehouse.warehouse import Warehouse

T = TypeVar("T")

SPEED = 60  # a search of the sandbox takes 0.1 s
LEASE = timedelta(seconds=30)
TIMING = Timing(
    settle=timedelta(milliseconds=400),
    clock_skew=timedelta(minutes=10),
    follow=timedelta(milliseconds=50),
    unreachable=timedelta(milliseconds=300),
    resend=timedelta(milliseconds=20),
    gone=timedelta(milliseconds=300),
)
TIMEOUTS = httpx.Timeout(connect=0.5, read=0.5, write=0.5, pool=5.0)
BOUND = 90.0  # no scene takes longer


def search(**changes: Any) -> TaskSpec:
    """The sandbox's search task, asking for two companies."""
    given = {
        "key": "saas",
        "task_id": SEARCH_TASK,
        "icp_id": SAAS,
        "parameters": {"num_results": 2},
        "poll_interval": "30ms",
        "max_wait": "20s",
        **changes,
    }
    return TaskSpec.model_validate(given)


@dataclass
class Scene:
    """What a test has at hand."""

    sandbox: Sandbox
    warehouse: Warehouse
    ledger_address: str = ""  # of a PostgreSQL; empty: the ledger is in the warehouse
    events: list[Event] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return ledger_of(self.warehouse, lease=LEASE)

    @property
    def texts(self) -> str:
        """Everything that was reported, one line each."""
        return "\n".join(event.text for event in self.events)

    @asynccontextmanager
    async def worker(
        self,
        *,
        timing: Timing = TIMING,
        lease: timedelta = LEASE,
        owner: Owner | None = None,
        url: str | None = None,
        api_key: str | None = None,
        retry_for: timedelta | None = timedelta(seconds=2),
    ) -> AsyncIterator[Worker]:
        key = SecretStr(api_key or self.sandbox.api_key)
        async with LinktClient(url or self.sandbox.url, key, timeouts=TIMEOUTS, retry_for=retry_for) as client:
            yield Worker(
                client,
                self.warehouse,
                ledger_of(self.warehouse, lease=lease),
                self.events.append,
                timing,
                owner or Owner.this_process(),
            )

    def execute(self, *tasks: TaskSpec, **options: Any) -> list[Outcome]:
        """Execute tasks with a worker of its own, to the end."""

        async def work() -> list[Outcome]:
            async with self.worker(**options) as worker:
                return await execute_tasks(worker, tasks or [search()])

        return run(work())

    def rows(self) -> list[Execution]:
        """The whole ledger, oldest row first."""
        with self.ledger.read() as rows:
            return rows.executions()

    def states(self) -> list[str]:
        """The states of the whole ledger, oldest row first."""
        return [row.state.value for row in self.rows()]

    def posts(self) -> int:
        """How many start requests the server has seen."""
        return self.sandbox.world.requests.count("execute")

    def edit(self, statement: str, *values: Any) -> None:
        """Change the ledger as nothing of the product does."""
        with self.ledger.write() as rows:
            rows._write(statement, values)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as con:
            return con.execute(sql).fetchall()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, within a bound."""
    return asyncio.run(asyncio.wait_for(work, BOUND))


async def until(condition: Any, seconds: float = 60, every: float = 0.01) -> None:
    """Wait for a condition of a scene; fails the test when it does not come.

    A condition that opens the warehouse keeps other processes out of it: let it rest between two looks.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it may come about in another process
            await asyncio.sleep(every)
