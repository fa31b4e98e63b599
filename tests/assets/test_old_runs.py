"""Old Dagster runs go, with all they left; what somebody may still need stays."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.test_utils import create_run_for_test

from linkt_pipeline.assets.housekeeping import build_housekeeping, delete_some_old_runs
from linkt_pipeline.assets.instance_files import finish_deletions, give_space_back
from linkt_pipeline.assets.old_runs import DELETE_OLD_RUNS, REPOSITORY_TAG, Retention, delete_runs
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse

NOW = datetime.now(UTC)
OURS, OTHERS = "__repository__@linkt_pipeline", "__repository__@other"
EXECUTIONS = Placement().executions
RUNS = dg.AssetKey(["linkt", "runs"])


@dg.asset(key=EXECUTIONS, partitions_def=dg.StaticPartitionsDefinition(["search", "weekly"]))
def executions() -> None:
    """Stands for the paid asset."""


@dg.asset(key=RUNS, check_specs=[dg.AssetCheckSpec("complete", asset=RUNS)])
def runs() -> Iterator[dg.MaterializeResult[None]]:
    """Stands for the free part, and says a tenth as much as that does."""
    yield dg.MaterializeResult(
        metadata={"said": "x" * 100_000},
        check_results=[dg.AssetCheckResult(check_name="complete", passed=True)],
    )


@dg.asset(key=["theirs", "table"])
def table() -> None:
    """Of another code location."""


DEFINITIONS = dg.Definitions(
    assets=[executions, runs, table],
    jobs=[
        dg.define_asset_job("execute_and_publish", dg.AssetSelection.assets(EXECUTIONS)),
        dg.define_asset_job("sync_and_publish", dg.AssetSelection.assets(RUNS)),
        dg.define_asset_job("their_job", dg.AssetSelection.assets(table.key)),
    ],
    executor=dg.in_process_executor,
)


class History:
    """A Dagster instance with runs of any age."""

    def __init__(self, instance: dg.DagsterInstance, folder: Path, warehouse: Warehouse) -> None:
        self.instance, self.folder, self.warehouse = instance, folder, warehouse
        self.retention = Retention(Placement(), (executions, runs), warehouse, timedelta(days=30))

    def run(self, job: str, days: float, *, partition: str | None = None, tags: dict[str, str] | None = None) -> str:
        """A run that ended so many days ago; returns its id."""
        result = DEFINITIONS.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=partition, tags={REPOSITORY_TAG: OURS} | (tags or {})
        )
        return self.age(result.run_id, days)

    def age(self, run_id: str, days: float) -> str:
        with self.instance.run_storage.connect() as con:
            moment = (NOW - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S.%f")
            con.exec_driver_sql("update runs set update_timestamp = ? where run_id = ?", (moment, run_id))
        return run_id

    def find(self, at_most: int | None = None) -> list[str]:
        return self.retention.find(self.instance, NOW, repository=OURS, at_most=at_most)

    def kept(self) -> set[str]:
        return {run.run_id for run in self.instance.get_runs()}

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def count(self, table: str, run_id: str) -> int:
        with closing(sqlite3.connect(self.folder / "history" / "runs" / "index.db")) as con:
            return con.execute(f"select count(*) from {table} where run_id = ?", [run_id]).fetchone()[0]


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    folder = tmp_path / "home"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        yield History(instance, folder, FileWarehouse(tmp_path / "warehouse.duckdb"))


def test_old_runs_of_the_free_part_go_but_for_the_latest_of_an_asset(history: History) -> None:
    oldest = history.run("sync_and_publish", 90)
    old = history.run("sync_and_publish", 31)
    history.run("sync_and_publish", 29)
    assert history.find() == [oldest, old]
    assert history.find(at_most=1) == [oldest]

    delete_runs(history.instance, history.find())
    latest = history.age(*history.kept(), 60)
    assert history.find() == []
    assert history.instance.get_latest_materialization_event(RUNS).run_id == latest


def test_the_latest_word_on_a_check_and_on_a_partition_stays(history: History) -> None:
    checked, unchecked = (history.run("sync_and_publish", days) for days in (50, 40))
    with history.instance.event_log_storage.index_connection() as con:  # as if the later run had checked nothing
        con.exec_driver_sql("delete from asset_check_executions where run_id = ?", (unchecked,))
    old, search = (history.run("execute_and_publish", days, partition="search") for days in (500, 450))
    weekly = history.run("execute_and_publish", 400, partition="weekly")

    assert history.find() == [old]
    assert {checked, unchecked, search, weekly} <= history.kept()


def test_paid_runs_stay_for_a_year(history: History) -> None:
    paid = [history.run("execute_and_publish", days, partition="search") for days in (366, 364, 31, 1)]

    assert history.find() == paid[:1]


def test_who_selects_the_paid_asset_is_paid_in_any_job(history: History) -> None:
    def started(days: float, *selected: dg.AssetKey, job: str = "__ASSET_JOB") -> str:
        run = create_run_for_test(
            history.instance,
            job_name=job,
            status=dg.DagsterRunStatus.FAILURE,
            tags={REPOSITORY_TAG: OURS},
            asset_selection=frozenset(selected) or None,
        )
        return history.age(run.run_id, days)

    free = started(40, RUNS)
    started(40, RUNS, EXECUTIONS)
    started(40, job="execute_and_publish")
    started(4_000)  # of no known job
    assert history.find() == [free]


def test_a_run_that_goes_on_stays(history: History) -> None:
    for status in set(dg.DagsterRunStatus) - {dg.DagsterRunStatus.QUEUED}:  # which needs a daemon
        run = create_run_for_test(
            history.instance, job_name="sync_and_publish", status=status, tags={REPOSITORY_TAG: OURS}
        )
        history.age(run.run_id, 100)

    found = {run.status for run in history.instance.get_runs() if run.run_id in history.find()}
    assert found == {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def test_what_the_ledger_refers_to_stays(history: History) -> None:
    started, owed, settled = (history.run("execute_and_publish", 500, partition="search") for _ in range(3))
    asked = history.run("sync_and_publish", 500)
    commanded = history.run("sync_and_publish", 500, tags={"linkt/asked_by": "command 7"})
    history.run("execute_and_publish", 1, partition="search")
    history.run("sync_and_publish", 1)
    with history.warehouse.write() as con:
        con.execute(
            "insert into linkt.executions "
            "(execution_id, task_key, task_id, attempt, state, dagster_run_id, intended_at)"
            " values ('e1', 'search', 't', 1, 'started', $1, now()), ('e2', 'search', 't', 1, 'finished', $2, now()),"
            " ('e3', 'search', 't', 1, 'finished', $3, now())",
            [started, owed, settled],
        )
        con.execute(
            "insert into linkt.undelivered (execution_id, asked_by) values ('e2', $1), ('e9', 'command 7')", [asked]
        )

    assert history.find() == [settled]
    with history.warehouse.write() as con:
        con.execute("delete from linkt.undelivered; update linkt.executions set state = 'finished'")
    assert set(history.find()) == {started, owed, settled, asked, commanded}


def test_runs_of_other_code_locations_stay(history: History) -> None:
    history.run("their_job", 500)
    history.run("their_job", 500, tags={REPOSITORY_TAG: OTHERS})
    history.run("sync_and_publish", 500, tags={REPOSITORY_TAG: OTHERS})
    history.run("sync_and_publish", 1)

    assert history.find() == []


def test_nothing_is_left_of_a_deleted_run(history: History) -> None:
    old = history.run("sync_and_publish", 40)
    history.run("sync_and_publish", 1)
    before = history.bytes
    size = (history.folder / "history" / "runs" / f"{old}.db").stat().st_size
    assert (history.folder / "storage" / old).is_dir()

    delete_runs(history.instance, [old])

    assert [path for path in history.folder.rglob("*") if old in path.name] == []
    assert history.count("event_logs", old) == history.count("asset_check_executions", old) == 0
    assert before - history.bytes >= size
    assert history.instance.get_latest_materialization_event(RUNS) is not None


def test_a_deletion_that_was_cut_short_is_finished(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    old = history.run("sync_and_publish", 40)
    kept = history.run("sync_and_publish", 40)
    history.instance.run_storage.delete_run(old)
    assert history.count("event_logs", old) > 0

    finish_deletions(history.instance)
    assert history.count("event_logs", old) > 0, "a file of today may be of a run that is about to be recorded"
    monkeypatch.setattr("time.time", lambda: NOW.timestamp() + 2 * 24 * 3600)
    finish_deletions(history.instance)

    assert [path for path in history.folder.rglob("*") if old in path.name] == []
    assert history.count("event_logs", old) == history.count("asset_check_executions", old) == 0
    assert history.count("event_logs", kept) > 0


def test_dagsters_shared_files_shrink_unless_somebody_uses_them(history: History) -> None:
    index = history.folder / "history" / "runs" / "index.db"
    with closing(sqlite3.connect(index)) as con:
        con.execute("create table passing as select randomblob(3000000)")
        con.execute("drop table passing")
        con.commit()
        con.execute("pragma wal_checkpoint(truncate)")
        bloated = index.stat().st_size

        con.execute("begin immediate")
        give_space_back(history.instance)
        assert index.stat().st_size == bloated
        con.rollback()

    give_space_back(history.instance)
    assert bloated - index.stat().st_size > 2_900_000
    assert history.instance.get_runs() == []


def test_the_job_frees_more_than_it_costs_and_leaves_one_run_of_its_own(history: History) -> None:
    job = build_housekeeping(history.retention).resolve_job_def(DELETE_OLD_RUNS)

    def delete() -> str:
        return job.execute_in_process(instance=history.instance, tags={REPOSITORY_TAG: OURS}).run_id

    history.run("sync_and_publish", 40)
    history.run("sync_and_publish", 1)
    before = history.bytes
    first = delete()
    assert history.bytes < before

    history.run("sync_and_publish", 40)
    kept = history.run("sync_and_publish", 1)
    second = delete()
    assert history.kept() >= {kept, second}
    assert first not in history.kept()
    assert len(history.kept()) == 3


def test_the_schedule_runs_by_itself_and_starts_nothing_when_there_is_nothing_to_delete(history: History) -> None:
    [schedule] = build_housekeeping(history.retention).schedules
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING

    def tick() -> Any:
        with dg.build_schedule_context(instance=history.instance, scheduled_execution_time=NOW) as context:
            return schedule.evaluate_tick(context)

    history.run("sync_and_publish", 40)
    before = {path: path.stat().st_mtime_ns for path in history.folder.rglob("*.db")}
    assert tick().skip_message == "no run is old enough"
    assert {path: path.stat().st_mtime_ns for path in history.folder.rglob("*.db")} == before

    history.run("sync_and_publish", 1)
    assert len(tick().run_requests) == 1


def test_a_command_deletes_a_few_without_a_run(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    old = [history.run("sync_and_publish", 40) for _ in range(3)]
    latest = history.run("sync_and_publish", 1)
    # A command keeps nothing of what its steps print, and so deletes nothing of it either.
    monkeypatch.setattr(history.instance, "_compute_log_manager", NoOpComputeLogManager())

    delete_some_old_runs(history.instance, history.retention, OURS, 2)

    assert history.kept() == {old[2], latest}
    assert {path.name for path in (history.folder / "storage").iterdir()} == {old[2], latest}


def test_an_instance_without_files_of_its_own_is_tidied_too(history: History) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        remote = History(instance, history.folder, history.warehouse)
        old = remote.run("sync_and_publish", 40)
        latest = remote.run("sync_and_publish", 1)
        assert remote.find() == [old]

        delete_some_old_runs(instance, remote.retention, OURS, 20)

        assert remote.kept() == {latest}
        assert instance.all_logs(old) == []
