"""The whole pipeline against a server whose every endpoint may answer anything: what must hold afterwards, always.

Each case starts a task, collects runs, fetches what they name and refreshes names while some endpoints answer
nonsense; then the server recovers and the same is done again.
"""

import contextlib
import tempfile
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from linkt_pipeline.api import LinktClient, Throttle, retries
from linkt_pipeline.collection.fetch import fetch_pending
from linkt_pipeline.collection.reference import refresh_reference_data
from linkt_pipeline.collection.resources import ENTITIES, SIGNALS
from linkt_pipeline.collection.runs import collect_runs
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.execute import execute_tasks
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.sandbox import Sandbox
from linkt_pipeline.sandbox.world.reference_data import SEARCH_TASK
from linkt_pipeline.transform import Severity
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.state import read_state
from tests.executions.scene import LEASE, SPEED, TIMING, run, search
from tests.landed_checks import landed_checks

from .bodies import MAX_BODY, Harm, harms
from .server import Hooks, hostile_sandbox

ENDPOINTS = (
    "execute", "get_run", "list_runs", "run_queue", "get_entity", "list_entities", "get_signal", "list_signals",
    "list_tasks", "get_task", "list_icps", "list_sheets",
)  # fmt: skip
TIMEOUTS = httpx.Timeout(connect=5, read=5, write=5, pool=5)
TASK = search(max_wait="600ms")

cases = st.dictionaries(st.sampled_from(ENDPOINTS), harms, min_size=1, max_size=4)


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_WAIT_INITIAL", 0.01)
    monkeypatch.setattr(retries, "_WAIT_MAX", 0.02)


class Pipeline:
    """One deployment in miniature against one server."""

    def __init__(self, sandbox: Sandbox, hooks: Hooks, folder: Path) -> None:
        self.sandbox, self.hooks, self.folder = sandbox, hooks, folder
        self.warehouse = FileWarehouse(folder / "linkt.duckdb")

    async def do_all(self, **again: bool) -> None:
        """Every step once. A step may end in an error that a user can understand, and in no other."""
        retry = again.get("retry", False)
        async with LinktClient(
            self.sandbox.url,
            SecretStr(self.sandbox.api_key),
            timeouts=TIMEOUTS,
            throttle=Throttle(),
            retry_for=timedelta(milliseconds=300),
            max_body=MAX_BODY,
        ) as client:
            worker = Worker(client, self.warehouse, ledger_of(self.warehouse, lease=LEASE), timing=TIMING)
            await self._step(execute_tasks(worker, [TASK]))
            await self._step(collect_runs(client, self.warehouse, retry_rejected=retry))
            for reader in (ENTITIES, SIGNALS):
                await self._step(fetch_pending(client, self.warehouse, reader, retry_settled=retry))
            await self._step(refresh_reference_data(client, self.warehouse))

    @staticmethod
    async def _step(work: Awaitable[Any]) -> None:
        with contextlib.suppress(LinktPipelineError):
            await work

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as con:
            return con.execute(sql).fetchall()

    def made(self) -> set[str]:
        """The runs that the server made for the task, each of which costs credits."""
        return {run_id for run_id, each in self.sandbox.world.runs.items() if each.task_id == SEARCH_TASK}

    def known(self) -> set[str]:
        """The runs that are landed, kept as rejects, remembered to be read again, or waited for."""
        with self.warehouse.read() as con:
            stored = read_state(con, "runs")
        remembered = orjson.loads(stored)["unfinished"] if stored else []
        rows = self.query(
            "select run_id from linkt.runs union select resource_id from linkt.rejects where resource_type = 'run' "
            "union select run_id from linkt.executions where run_id is not null"
        )
        return {run_id for (run_id,) in rows} | set(remembered)

    def check_the_books(self) -> None:
        with self.warehouse.read() as con:
            for check in landed_checks():
                if check.severity is Severity.ERROR:
                    assert con.execute(check.sql).fetchall() == [], check.name
            lost = con.execute(
                "select resource_id from linkt.run_resources where state not in ('landed', 'pending') "
                "and last_error is null"
            ).fetchall()
        assert lost == [], "what is not landed says why"


@given(harm_of=cases)
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_server_answers(harm_of: dict[str, Harm]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        hostile_sandbox(speed=SPEED, history_weeks=1) as (sandbox, hooks),
    ):
        pipeline = Pipeline(sandbox, hooks, Path(folder))
        before = pipeline.made()
        hooks.after.update({name: harm.apply for name, harm in harm_of.items()})

        run(pipeline.do_all())

        bought = pipeline.made() - before
        intentions = pipeline.query("select count(*) from linkt.executions where state <> 'refused'")[0][0]
        assert len(bought) <= 1, "one intention is one run"
        assert len(bought) <= intentions
        pipeline.check_the_books()

        hooks.clear()
        for _ in range(2):
            run(pipeline.do_all(retry=True))

        pipeline.check_the_books()
        bought = pipeline.made() - before
        paid_for = pipeline.query("select run_id from linkt.executions where run_id is not null")
        assert {run_id for (run_id,) in paid_for} >= bought, "every run that was bought is in the ledger"
        assert pipeline.made() <= pipeline.known()
        assert pipeline.query("select count(*) from linkt.run_resources where state = 'pending'") == [(0,)]
        for kind, table, true in (("entity", "entities", sandbox.world.own.entities),
                                  ("signal", "signals", sandbox.world.own.signals)):  # fmt: skip
            named = pipeline.query(f"select resource_id from linkt.run_resources where resource_type = '{kind}'")
            landed = pipeline.query(f"select {kind}_id from linkt.{table}")
            assert {each for each in named if each[0] in true} <= set(landed), "the next good body lands"
        key = sandbox.api_key.encode()
        assert [path for path in Path(folder).rglob("*") if path.is_file() and key in path.read_bytes()] == []
