"""Which Dagster runs ask one question: those of a backfill that is executed again, and those of an older version."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from linkt_pipeline.assets.executions import build_executions
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.sandbox import Sandbox, running_sandbox
from linkt_pipeline.sandbox.world.reference_data import SAAS, SEARCH_TASK
from linkt_pipeline.settings import load_settings
from linkt_pipeline.tasks import CommonSettings, TaskSpec
from linkt_pipeline.warehouse.catalog import read_catalog
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.migration import empty_warehouse
from tests.assets.deployment import failures

pytestmark = pytest.mark.slow

RANGE = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}


@dataclass
class Dagster:
    """The paid asset alone, its sandbox and what Dagster remembers."""

    sandbox: Sandbox
    folder: Path
    instance: dg.DagsterInstance
    entries: list[str] = field(default_factory=lambda: ["a", "c"])

    def materialize(
        self,
        again: dg.ExecuteInProcessResult | None = None,
        root: dg.ExecuteInProcessResult | None = None,
        **tags: str,
    ) -> dg.ExecuteInProcessResult:
        """A Dagster run; with ``again`` one that executes another again, whose first one is ``root``."""
        with pytest.MonkeyPatch.context() as patched:
            if again is not None:
                inherited = self.run_of(again).tags
                tags = {name: value for name, value in inherited.items() if "backfill" not in name} | tags
                first = (root or again).run_id
                create = partial(self.instance.create_run_for_job, root_run_id=first, parent_run_id=again.run_id)
                patched.setattr(self.instance, "create_run_for_job", create)
            return self.job().execute_in_process(instance=self.instance, raise_on_error=False, tags=RANGE | tags)

    def materialize_from_queue(self, launched_with: list[str]) -> dg.ExecuteInProcessResult:
        """A Dagster run that was launched when tasks.yaml had other entries."""
        now, self.entries = self.entries, launched_with
        queued = self.instance.create_run_for_job(self.job(), tags=RANGE)
        self.entries = now
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(self.instance, "create_run_for_job", lambda **_: queued)
            return self.job().execute_in_process(instance=self.instance, raise_on_error=False, run_id=queued.run_id)

    def job(self) -> dg.JobDefinition:
        """The paid job, as the entries of now make it."""
        tasks = {
            key: TaskSpec(
                key=key,
                task_id=SEARCH_TASK,
                icp_id=SAAS,
                parameters={"num_results": number},
                poll_interval="30ms",
                max_wait="30s",
            )
            for number, key in enumerate(self.entries, start=1)
        }
        with empty_warehouse() as con:
            (table,) = [table for table in read_catalog(con) if (table.schema, table.name) == ("linkt", "executions")]
        asset = build_executions(Placement(), self.backend, tasks, CommonSettings(), table, [])
        return dg.Definitions([asset], jobs=[dg.define_asset_job("paid", [asset])]).resolve_job_def("paid")

    def run_of(self, result: dg.ExecuteInProcessResult) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        return run

    @property
    def warehouse(self) -> FileWarehouse:
        return FileWarehouse(self.folder / "warehouse.duckdb")

    @property
    def backend(self) -> Backend:
        return Backend(
            load_settings({"base_url": self.sandbox.url, "api_key": self.sandbox.api_key, "data_dir": self.folder})
        )

    @property
    def bought(self) -> int:
        return self.sandbox.run_count()


@pytest.fixture
def dagster(tmp_path: Path) -> Iterator[Dagster]:
    with running_sandbox(speed=60) as sandbox, dg.DagsterInstance.ephemeral() as instance:
        yield Dagster(sandbox, tmp_path, instance)


def backfill(name: str, first: str | None = None) -> dict[str, str]:
    """The tags that Dagster's daemon gives the runs of a backfill. None of these runs is a repetition of another."""
    repeats = {"dagster/parent_backfill_id": first, "dagster/root_backfill_id": first} if first else {}
    return {"dagster/backfill": name, **repeats}


def test_a_backfill_that_is_executed_again_buys_nothing(dagster: Dagster) -> None:
    first = dagster.materialize(**backfill("first"))
    assert dagster.materialize(again=first).success
    assert dagster.materialize(**backfill("second", first="first")).success
    assert dagster.bought == 2

    assert dagster.materialize(**backfill("another")).success
    assert dagster.bought == 4


def test_a_backfill_gets_what_a_repetition_of_its_own_dagster_run_bought(dagster: Dagster) -> None:
    dagster.sandbox.inject("failed_run=timeout")
    first = dagster.materialize(**backfill("first"))
    assert not first.success
    assert dagster.materialize(again=first).success
    assert dagster.bought == 3

    assert dagster.materialize(**backfill("second", first="first")).success
    assert dagster.bought == 3


def test_what_a_repetition_bought_under_an_older_version_is_not_bought_again(dagster: Dagster) -> None:
    """The migration knows which Dagster run bought an execution, not which one that repeated."""
    dagster.sandbox.inject("failed_run=timeout*2")
    first = dagster.materialize()
    second = dagster.materialize(again=first)
    with dagster.warehouse.write() as con:
        con.execute("delete from linkt.answers")
        con.execute(
            "insert into linkt.answers select dagster_run_id, task_key, execution_id, intended_at from linkt.executions"
        )

    assert dagster.materialize(again=second, root=first).success

    assert (first.success, second.success, dagster.bought) == (False, True, 4)


def test_a_range_that_is_executed_again_buys_no_entry_that_was_put_into_it(dagster: Dagster) -> None:
    first = dagster.materialize()
    dagster.entries = ["a", "b", "c"]

    assert dagster.materialize(again=first).success

    assert dagster.bought == 2


def test_a_range_that_is_in_another_order_by_now_is_told_and_buys_nothing(dagster: Dagster) -> None:
    dagster.entries = ["a", "b", "c"]
    first = dagster.materialize()
    dagster.entries = ["c", "b", "a"]

    again = dagster.materialize(again=first)

    told = "names a, b, c, which tasks.yaml now has in another order. Nothing was executed"
    assert told in failures(again)["linkt__executions"]
    assert dagster.bought == 3


def test_a_run_that_waits_in_the_queue_buys_no_entry_that_was_put_into_its_range_meanwhile(dagster: Dagster) -> None:
    dagster.entries = ["a", "b", "c"]

    first = dagster.materialize_from_queue(launched_with=["a", "c"])

    assert first.success
    assert dagster.bought == 2
    assert dagster.run_of(first).tags["linkt/tasks"] == "a,c"
