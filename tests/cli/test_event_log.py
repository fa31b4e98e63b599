"""The command's own way into Dagster's event log leads to the same rows."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef

from linkt_pipeline.cli.dagster_run import open_instance
from linkt_pipeline.cli.event_log import PreparedSqliteEventLogStorage, with_prepared_event_log
from linkt_pipeline.cli.instance import prepare_instance
from linkt_pipeline.settings import Settings


@dg.asset(check_specs=[dg.AssetCheckSpec("fine", asset="thing")])
def thing() -> dg.MaterializeResult:  # type: ignore[type-arg]
    return dg.MaterializeResult(
        metadata={"rows": 3}, check_results=[dg.AssetCheckResult(check_name="fine", passed=True)]
    )


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("LINKT_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    settings = Settings(data_dir=tmp_path / "data")
    prepare_instance(settings)
    return settings


def test_what_the_command_writes_dagster_reads_and_the_other_way_round(settings: Settings) -> None:
    log = []
    for _ in range(2):
        with open_instance(settings) as ours:
            assert type(ours.event_log_storage) is PreparedSqliteEventLogStorage
            assert dg.materialize([thing], instance=ours).success
            log.append([record.storage_id for record in ours.fetch_materializations(thing.key, limit=9).records])
        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(settings.root))) as theirs:
            records = theirs.fetch_materializations(thing.key, limit=9).records
            run_id = records[0].event_log_entry.run_id
            events = [entry.dagster_event_type for entry in theirs.all_logs(run_id)]
            assert events[-1] is dg.DagsterEventType.RUN_SUCCESS
            assert {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION} < set(events)
            assert [record.storage_id for record in records] == log[-1]
            assert dg.materialize([thing], instance=theirs).success
    assert [len(ids) for ids in log] == [1, 3]


def test_a_deployment_may_keep_its_events_elsewhere(settings: Settings, tmp_path: Path) -> None:
    yaml = settings.root / "dagster.yaml"
    yaml.write_text(f"storage:\n  sqlite:\n    base_dir: {tmp_path / 'elsewhere'}\n")
    with open_instance(settings) as ours:
        assert dg.materialize([thing], instance=ours).success
    assert (tmp_path / "elsewhere" / "history" / "runs" / "index.db").exists()

    yaml.write_text("storage:\n  postgres:\n    postgres_url: postgresql://dagster@db/dagster\n")
    configured = InstanceRef.from_dir(str(settings.root))
    assert with_prepared_event_log(configured) == configured


def test_a_log_that_was_wiped_begins_anew(settings: Settings) -> None:
    with open_instance(settings) as ours:
        assert dg.materialize([thing], instance=ours).success
        ours.wipe()
        assert dg.materialize([thing], instance=ours).success
        assert len(ours.fetch_materializations(thing.key, limit=9).records) == 1
