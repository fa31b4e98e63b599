"""What is written into the outbox, in which transaction, and how often: once per event."""

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from linkt_pipeline.api import parse_run
from linkt_pipeline.collection.failed_runs import tell_failures
from linkt_pipeline.collection.land_runs import land_runs
from linkt_pipeline.collection.seen_run import SeenRun
from linkt_pipeline.executions.errors import AmbiguousRunsError, StartNotFoundError
from linkt_pipeline.executions.execute import Outcome, execute_tasks
from linkt_pipeline.executions.start import start_or_adopt
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.claims import new_execution
from linkt_pipeline.ledger.values import ExecutionState, Intention, LeaseLostError
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.executions.scene import Scene, run, search
from tests.executions.test_start import in_front_of
from tests.warehouse.deliveries import entity, fetch, land, land_run, reject
from tests.warehouse.deliveries import run as run_row

NOW = datetime.now(UTC)


def told(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """Every event: its kind, its task, its run and its facts."""
    rows = fetch(warehouse, "select event, task_key, run_id, facts from linkt.alerts order by happened_at, event_key")
    return [(event, task, run_id, json.loads(facts)) for event, task, run_id, facts in rows]


def seen(status: str, *, ended: timedelta = timedelta(0), error: str | None = None, run_id: str = "a" * 24) -> SeenRun:
    wire = {"id": run_id, "status": status, "error": error, "updated_at": (NOW - ended).isoformat()}
    return SeenRun(parse_run(json.dumps(wire)), NOW)


# --- run_failed


@pytest.mark.parametrize(("fault", "status"), [("failed_run=timeout", "FAILED"), ("crashed_run", "CRASHED")])
def test_a_run_of_ours_that_fails_is_told_with_kind_and_advice(scene: Scene, fault: str, status: str) -> None:
    scene.sandbox.inject(fault)

    (outcome,) = scene.execute(search())
    scene.execute(search())

    assert outcome.run is not None
    ((event, task, run_id, facts),) = told(scene.warehouse)
    assert (event, task, run_id) == ("run_failed", "saas", outcome.run.id)
    assert facts["status"] == status
    assert facts["credits"] == outcome.run.credits
    assert facts["advice"] in str(outcome.error)


def test_each_failed_attempt_is_an_event_and_success_is_none(scene: Scene) -> None:
    scene.sandbox.inject("failed_run=provider_error*2")

    scene.execute(search(retry={"max_attempts": 3, "on": ["provider_error"], "backoff": "10ms"}))

    assert [(event, facts["kind"]) for event, *_, facts in told(scene.warehouse)] == [
        ("run_failed", "provider_error"),
        ("run_failed", "provider_error"),
    ]


def test_what_linkt_says_of_a_failure_is_not_repeated(warehouse: Warehouse) -> None:
    """It may quote rows."""
    land_runs(warehouse, [seen("FAILED", error="timeout while enriching jane.doe@example.com")])

    ((_, _, _, facts),) = told(warehouse)
    assert facts["kind"] == "timeout"
    assert "jane" not in json.dumps(facts)


@pytest.mark.parametrize(
    ("status", "ended", "events"),
    [("FAILED", timedelta(hours=2), 1), ("FAILED", timedelta(days=3), 0), ("CANCELED", timedelta(0), 0)],
    ids=["just now", "of a backfill", "cancelled"],
)
def test_a_run_started_elsewhere_is_told_while_it_is_news(
    warehouse: Warehouse, status: str, ended: timedelta, events: int
) -> None:
    land_runs(warehouse, [seen(status, ended=ended)])
    land_runs(warehouse, [seen(status, ended=ended)])

    assert len(told(warehouse)) == events


def test_the_failures_of_a_batch_are_looked_up_at_once_in_any_spelling(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backfill lands thousands of them, while nobody else can write."""
    wanted = Intention(task_key="saas", task_id="b" * 24, icp_id=None, parameters={})
    with ledger_of(warehouse).write() as rows:
        row = replace(new_execution(rows, wanted), state=ExecutionState.STARTED, run_id="A" * 24)
        rows.add(row)
        executions = Mock(wraps=rows.executions)
        monkeypatch.setattr(rows, "executions", executions)
        tell_failures(rows, [seen("FAILED", run_id=letter * 24) for letter in "abc"])

    assert executions.call_count == 1
    assert {(run_id[0], task) for _, task, run_id, _ in told(warehouse)} == {("a", "saas"), ("b", None), ("c", None)}


def test_an_event_is_undone_with_the_transaction_of_what_it_tells(scene: Scene) -> None:
    """Another process has taken the execution over: neither the run nor the alert is kept."""
    scene.sandbox.inject("failed_run")

    async def work() -> Outcome:
        async with scene.worker() as worker:
            call = worker.call

            async def call_after_another_took_over(function: Any, *args: Any, **kwargs: Any) -> Any:
                if function.__name__ == "land":
                    with scene.warehouse.write() as con:
                        con.execute("update linkt.executions set lease_owner = 'another'")
                return await call(function, *args, **kwargs)

            worker.call = call_after_another_took_over  # type: ignore[method-assign]
            return (await execute_tasks(worker, [search()]))[0]

    assert isinstance(run(work()).error, LeaseLostError)
    assert told(scene.warehouse) == []
    assert scene.query("select count(*) from linkt.runs") == [(0,)]


# --- rejected


def test_rejected_rows_are_told_once_for_the_run_that_names_them(warehouse: Warehouse) -> None:
    land_run(warehouse, run_row("r1"), created=["a" * 24, "b" * 24])

    reject(warehouse, "a" * 24)
    reject(warehouse, "a" * 24, received=200)
    reject(warehouse, "b" * 24)

    facts = {"resource_type": "entity", "subject": "r1", "rejects": 1}
    assert told(warehouse) == [("rejected", None, "r1", facts)]


def test_malformed_ids_of_a_run_are_told_as_it_is_landed(warehouse: Warehouse) -> None:
    land_run(warehouse, run_row("r1"), created=["not an id", "nor is this"], signals=["a" * 24])

    assert told(warehouse) == [
        ("rejected", None, "r1", {"resource_type": "entity", "subject": "r1", "rejects": 2}),
    ]


def test_rows_that_land_are_nothing_to_tell(warehouse: Warehouse) -> None:
    land_run(warehouse, run_row("r1"), created=["a" * 24])
    land(warehouse, entity("a" * 24))

    assert told(warehouse) == []


# --- unclear_start


def test_a_start_that_needs_adopt_is_told_once(scene: Scene) -> None:
    """Two runs of one request, and the reply to the start is lost."""
    scene.sandbox.inject("lost_reply@execute")
    task = search()
    scene.sandbox.world.execute(task.task_id, task.icp_id, dict(task.parameters), at=time.time())

    for _ in range(2):
        (outcome,) = scene.execute(task)
        assert isinstance(outcome.error, AmbiguousRunsError)

    (row,) = scene.rows()
    assert fetch(scene.warehouse, "select event_key, task_key from linkt.alerts") == [
        (f"unclear_start/{row.execution_id}", "saas")
    ]


def test_a_confirmed_start_whose_run_is_not_listed_is_told(scene: Scene) -> None:
    """The reply names the run of another execution, and the list has none of this one."""
    (first,) = scene.execute(search(key="first"))
    assert first.run is not None
    body = json.dumps({"run_id": first.run.id, "status": "SCHEDULED"}).encode()

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    async def work() -> None:
        async with in_front_of(scene, reply) as url, scene.worker(url=url) as worker:
            await start_or_adopt(worker, search(key="second"))

    with pytest.raises(StartNotFoundError):
        run(work())

    assert [(event, task) for event, task, *_ in told(scene.warehouse)] == [("unclear_start", "second")]
