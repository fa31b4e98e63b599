"""What a killed command leaves in Dagster, and that the next one puts it right."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from linkt_pipeline.assets import executions
from linkt_pipeline.assets.failures import fails_in_plain_words
from linkt_pipeline.cli import dagster_run
from linkt_pipeline.cli.dagster_run import StepFailure, _failures, open_instance, release_dead_runs
from linkt_pipeline.cli.instance import prepare_instance
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.settings import Settings
from linkt_pipeline.warehouse.errors import WarehouseUnwritableError

POOL = "linkt_warehouse"
PAID = dg.AssetKey(["linkt", "executions"])


@pytest.fixture
def instance(tmp_path: Path, monkeypatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.delenv("LINKT_API_KEY", raising=False)
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.chdir(tmp_path)
    settings = Settings(data_dir=tmp_path / "data")
    prepare_instance(settings)
    with open_instance(settings) as opened:
        opened.event_log_storage.initialize_concurrency_limit_to_default(POOL)
        yield opened


def going_run(instance: dg.DagsterInstance, process: str | None) -> str:
    """A Dagster run that holds the pool's only slot."""

    @dg.job
    def something() -> None: ...

    tags = {} if process is None else {"linkt/process": process}
    run = instance.create_run_for_job(something, status=dg.DagsterRunStatus.STARTED, tags=tags)
    instance.event_log_storage.claim_concurrency_slot(POOL, run.run_id, "step")
    assert instance.event_log_storage.get_concurrency_info(POOL).active_slot_count == 1
    return run.run_id


def dead_process() -> str:
    space, _, _ = Owner.this_process().name.rsplit("/", 2)
    return f"{space}/{2**22 + 1}/0"


def test_a_dead_commands_run_is_failed_and_gives_its_slot_back(instance):
    run_id = going_run(instance, dead_process())
    assert release_dead_runs(instance) == [run_id]
    assert instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.FAILURE
    assert instance.event_log_storage.get_concurrency_info(POOL).active_slot_count == 0


@pytest.mark.parametrize("process", [None, "this"], ids=["started by the UI", "a command that lives"])
def test_runs_of_others_are_left_alone(instance, process):
    run_id = going_run(instance, Owner.this_process().name if process else None)
    assert release_dead_runs(instance) == []
    assert instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.STARTED
    assert instance.event_log_storage.get_concurrency_info(POOL).active_slot_count == 1


def test_a_run_that_executes_a_dead_commands_run_again_is_left_alone(instance):
    """It inherits the tags of the first one, and is another process."""

    @dg.job
    def something() -> None: ...

    tags = {"linkt/process": dead_process()}
    root = instance.create_run_for_job(something, status=dg.DagsterRunStatus.FAILURE, tags=tags)
    again = instance.create_run_for_job(
        something,
        status=dg.DagsterRunStatus.STARTED,
        tags=tags,
        root_run_id=root.run_id,
        parent_run_id=root.run_id,
    )
    assert release_dead_runs(instance) == []
    assert instance.get_run_by_id(again.run_id).status is dg.DagsterRunStatus.STARTED


@pytest.mark.parametrize(("names", "tagged"), [(["a", "b"], "a,b"), (["c", "a"], "a,c"), (["c"], "c")])
def test_a_run_names_its_tasks_because_the_range_may_hold_others_by_and_by(names, tagged):
    tags = dagster_run._tags(dict.fromkeys(names), True, None, ["a", "b", "c", "d"])
    assert tags["linkt/tasks"] == tagged


@pytest.mark.parametrize(
    ("keys", "executed"), [(["a", "aa", "b"], ["a", "b"]), (["a", "b"], ["a", "b"]), (["a", "aa"], None), ([], None)]
)
def test_a_run_that_is_executed_again_buys_the_tasks_it_names_and_no_other(keys, executed):
    """tasks.yaml may have got an entry in between, or another order."""
    run = dg.DagsterRun("paid", tags={"linkt/tasks": "a,b"})
    context = SimpleNamespace(has_partition_key=True, has_partition_key_range=True, partition_keys=keys, run=run)
    with dg.DagsterInstance.ephemeral() as context.instance:
        if executed is not None:
            assert list(executions._selected_partitions(context, PAID, keys)) == executed
            return
        with pytest.raises(dg.Failure, match=r"names .*b, which tasks.yaml no longer has"):
            executions._selected_partitions(context, PAID, keys)


@pytest.mark.parametrize(
    "tags",
    [
        {"dagster/partition": "gone"},
        {"dagster/asset_partition_range_start": "gone", "dagster/asset_partition_range_end": "gone"},
        {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "gone"},
    ],
)
def test_a_run_whose_task_is_gone_is_told_in_plain_words(tags):
    """It is executed again, or was queued while tasks.yaml changed. Dagster speaks of ranges that are not valid."""

    class Context(SimpleNamespace):
        @property
        def partition_keys(self):
            raise dg.DagsterInvalidInvocationError("Nonexistent partition keys")

    context = Context(has_partition_key=True, has_partition_key_range=True, run=dg.DagsterRun("paid", tags=tags))
    with (
        dg.DagsterInstance.ephemeral() as context.instance,
        pytest.raises(dg.Failure, match=r"names gone, which tasks.yaml no longer has\. Nothing was executed; launch"),
    ):
        executions._selected_partitions(context, PAID, ["a", "b"])


def test_what_goes_wrong_while_old_runs_are_deleted_is_a_note(instance, monkeypatch, capsys):
    def fail(*_: object) -> None:
        raise OSError("database is locked")

    monkeypatch.setattr(dagster_run, "delete_some_old_runs", fail)
    dagster_run._keep_house(instance, Settings(), dg.Definitions())
    assert capsys.readouterr().err == "note: old Dagster runs were not deleted this time: database is locked\n"


def test_a_failure_is_told_in_the_products_words_and_not_in_those_of_its_cause():
    def locked() -> None:
        raise WarehouseUnwritableError("held by a BI tool; close it") from OSError("Could not set lock on file")

    (failure,) = failures_of(locked, step="executions")
    assert failure == StepFailure("executions", "held by a BI tool; close it")


def test_a_mistake_of_the_product_is_told_by_its_innermost_cause():
    def mistaken() -> None:
        raise ValueError("wrapped") from KeyError("a")

    (failure,) = failures_of(mistaken, step="linkt__executions")
    assert failure == StepFailure("linkt__executions", "'a'", "KeyError", is_paid=True)


def failures_of(work: Callable[[], None], step: str) -> list[StepFailure]:
    """What is told of a step that does some work and fails."""

    @dg.multi_asset(name=step, specs=[dg.AssetSpec("made")])
    @fails_in_plain_words
    def made() -> Iterator[dg.MaterializeResult[None]]:
        work()
        yield dg.MaterializeResult()

    job = dg.Definitions([made], jobs=[dg.define_asset_job("something")]).resolve_job_def("something")
    return list(_failures(job.execute_in_process(raise_on_error=False).all_events))
