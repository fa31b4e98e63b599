"""What the paid step owes whoever started it: interrupts are heard at once, outcomes count once they are recorded."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from linkt_pipeline.assets import checks
from linkt_pipeline.assets.executions import build_executions
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.collection.lander import Fetched
from linkt_pipeline.executions.events import Event, RunProgress, RunStarted
from linkt_pipeline.sandbox import Sandbox, running_sandbox
from linkt_pipeline.sandbox.world.reference_data import SAAS, SEARCH_TASK
from linkt_pipeline.settings import load_settings
from linkt_pipeline.tasks import CommonSettings, TaskSpec
from linkt_pipeline.warehouse.catalog import read_catalog
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.errors import WarehouseBusyError
from linkt_pipeline.warehouse.migration import empty_warehouse
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.landed_checks import landed_checks


@dataclass
class Watcher:
    """Acts upon an event, from inside of the task that reports it."""

    act: Callable[[Event], None] = lambda event: None
    seen: list[Event] = field(default_factory=list)

    def on_event(self, event: Event) -> None:
        self.seen.append(event)
        self.act(event)

    def on_fetch(self, resource: str, fetched: Fetched) -> None:
        """Nothing is fetched here."""


@dataclass
class Step:
    """The paid asset alone, against a sandbox."""

    sandbox: Sandbox
    warehouse: Warehouse
    watcher: Watcher = field(default_factory=Watcher)
    instance: dg.DagsterInstance | None = None

    def materialize(self, **changes: Any) -> dg.ExecuteInProcessResult:
        given = {"task_id": SEARCH_TASK, "icp_id": SAAS, "poll_interval": "30ms", "max_wait": "30s", **changes}
        tasks = {"saas": TaskSpec.model_validate({"key": "saas", "parameters": {"num_results": 2}, **given})}
        with empty_warehouse() as con:
            (table,) = [table for table in read_catalog(con) if (table.schema, table.name) == ("linkt", "executions")]
        asset = build_executions(
            Placement(), self.backend, tasks, CommonSettings(), table, landed_checks(), self.watcher
        )
        return dg.materialize([asset], partition_key="saas", raise_on_error=False, instance=self.instance)

    @property
    def backend(self) -> Backend:
        return Backend(
            load_settings(
                {"base_url": self.sandbox.url, "api_key": self.sandbox.api_key, "data_dir": self.warehouse.path.parent}
            )
        )

    def ledger(self) -> list[tuple[str, str | None, str | None]]:
        with self.warehouse.read() as con:
            return con.execute(
                "select state, run_status, lease_owner from linkt.executions order by intended_at"
            ).fetchall()


@pytest.fixture
def step(tmp_path: Path) -> Iterator[Step]:
    with running_sandbox(speed=60) as sandbox:
        yield Step(sandbox, FileWarehouse(tmp_path / "warehouse.duckdb"))


# --- interrupts


def interrupt_at(kind: type[Event], number: int, times: int = 1) -> Callable[[Event], None]:
    def act(event: Event) -> None:
        if isinstance(event, kind):
            for _ in range(times):
                os.kill(os.getpid(), number)

    return act


def was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return failure.error is not None and failure.error.cls_name == "DagsterExecutionInterruptedError"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("kind", [RunStarted, RunProgress])
def test_a_signal_that_finds_one_of_many_tasks_at_work_is_an_interrupt(
    step: Step, kind: type[Event], number: int, times: int
) -> None:
    """Raised inside a task of the event loop, the error of an interrupt would be kept until the run has ended."""
    step.sandbox.inject("run_life=20")
    step.watcher.act = interrupt_at(kind, number, times)
    before = time.monotonic()

    assert was_interrupted(step.materialize())

    assert time.monotonic() - before < 15
    assert [(state, owner) for state, _, owner in step.ledger()] == [("started", None)]


def test_an_interrupt_from_inside_cancels_where_the_task_says_so(step: Step) -> None:
    step.sandbox.inject("run_life=20")
    step.watcher.act = interrupt_at(RunProgress, signal.SIGTERM)

    assert was_interrupted(step.materialize(on_terminate="cancel"))

    assert [(state, status) for state, status, _ in step.ledger()] == [("finished", "CANCELED")]


@pytest.mark.parametrize(("on_terminate", "repeats"), [("leave", True), ("cancel", False)])
def test_dagster_repeats_an_interrupted_run_only_where_that_buys_nothing(
    step: Step, on_terminate: str, repeats: bool
) -> None:
    step.sandbox.inject("run_life=20")
    step.watcher.act = interrupt_at(RunProgress, signal.SIGTERM)
    retries = {"enabled": True, "max_retries": 3, "retry_on_asset_or_op_failure": False}
    with dg.instance_for_test(overrides={"run_retries": retries}) as step.instance:
        interrupted = step.materialize(on_terminate=on_terminate)
        run = step.instance.get_run_by_id(interrupted.run_id)

    assert run is not None
    assert run.tags["dagster/will_retry"] == str(repeats).lower()


def test_who_executes_a_terminated_run_again_inherits_no_ban_of_retries(step: Step) -> None:
    """Else an upgrade in the middle of the repetition's wait would leave its Linkt run to nobody."""
    step.sandbox.inject("run_life=20")

    def terminate(event: Event) -> None:
        if isinstance(event, RunProgress) and step.instance is not None:
            for run in step.instance.get_runs():
                step.instance.report_run_canceling(run)
            os.kill(os.getpid(), signal.SIGTERM)

    step.watcher.act = terminate
    with dg.instance_for_test(overrides={"run_retries": {"enabled": True, "max_retries": 3}}) as step.instance:
        terminated = step.materialize()
        run = step.instance.get_run_by_id(terminated.run_id)

    assert [(state, status) for state, status, _ in step.ledger()] == [("finished", "CANCELED")]
    assert run is not None
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert "dagster/max_retries" not in run.tags
    assert "dagster/will_retry" not in run.tags


@pytest.mark.parametrize(("told", "repeats"), [("failed_run=timeout", False), ("http_402@execute", False), ("", True)])
def test_dagster_repeats_no_failure_that_was_told(
    step: Step, monkeypatch: pytest.MonkeyPatch, told: str, repeats: bool
) -> None:
    """With ``run_retries`` as Dagster has them by default. What was bought and not recorded is worth a repetition."""
    if told:
        step.sandbox.inject(told)
    else:
        monkeypatch.setattr(checks, "run_check", busy)
    with dg.instance_for_test(overrides={"run_retries": {"enabled": True, "max_retries": 3}}) as step.instance:
        failed = step.materialize()
        run = step.instance.get_run_by_id(failed.run_id)

    assert not failed.success
    assert run is not None
    assert run.tags["dagster/will_retry"] == str(repeats).lower()


# --- outcomes


def busy(*_: object) -> None:
    """A BI tool holds the warehouse."""
    raise WarehouseBusyError("held by somebody else")


def test_a_run_that_was_started_with_other_settings_is_shown_as_such(step: Step) -> None:
    step.sandbox.inject("run_life=1")
    assert not step.materialize(max_wait="100ms").success

    result = step.materialize(parameters={"num_results": 5})

    assert result.success
    (event,) = [event for event in result.all_events if event.is_step_materialization]
    shown = event.step_materialization_data.materialization.metadata["started_with_other_settings"]
    assert shown.value == "num_results: 2 instead of 5"
    assert any("num_results: 2 instead of 5" in event.text and event.is_warning for event in step.watcher.seen)
    assert len(step.ledger()) == 1


def test_a_run_whose_outcome_could_not_be_recorded_is_not_bought_again(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A BI tool takes the warehouse between the end of the run and the checks of the step."""
    with monkeypatch.context() as patched:
        patched.setattr(checks, "run_check", busy)
        assert not step.materialize().success
    again = step.materialize()

    assert again.success
    assert [event.asset_key for event in again.get_asset_materialization_events()] == [Placement().executions]
    assert step.sandbox.run_count() == 1
    assert [state for state, *_ in step.ledger()] == ["finished"]


def test_a_recorded_outcome_is_used_up(step: Step) -> None:
    assert step.materialize().success
    assert step.materialize().success

    assert step.sandbox.run_count() == 2


def test_a_recorded_failure_is_used_up_as_well(step: Step) -> None:
    step.sandbox.inject("failed_run=timeout")
    assert not step.materialize().success

    assert step.materialize().success
    assert step.sandbox.run_count() == 2
