"""A lake is kept small by itself, and only after something has changed."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.assets.upkeep import build_upkeep
from linkt_pipeline.settings import Settings, load_settings
from linkt_pipeline.warehouse.engines.choice import warehouse_of
from linkt_pipeline.warehouse.state import note_change
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.lake import Lakes


@pytest.fixture
def settings(lakes: Lakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINKT_CATALOG", lakes.new(tmp_path / "lake" / "linkt_lake"))
    monkeypatch.setenv("LINKT_LAKE_PATH", str(tmp_path / "lake"))
    monkeypatch.setenv("LINKT_LAKE_KEEP_DAYS", "3")
    monkeypatch.setenv("LINKT_API_KEY", "a key of nobody")
    return load_settings()


@pytest.fixture
def lake(settings: Settings) -> Iterator[Warehouse]:
    lake = warehouse_of(settings)
    yield lake
    lake.close()


def test_a_day_without_news_starts_nothing(settings: Settings, lake: Warehouse) -> None:
    definitions = build_upkeep(Placement(), Backend(settings), shared=False)
    schedule = definitions.get_repository_def().get_schedule_def("maintain_lake_daily")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    for number in range(3):
        with lake.write() as con:
            con.execute("insert into linkt.settings select $1 || i, i from range(50) as r(i)", [f"{number} "])

    assert len(schedule.evaluate_tick(dg.build_schedule_context()).run_requests) == 1
    assert definitions.get_job_def("maintain_lake").execute_in_process().success

    with lake.read() as con:
        files = con.execute("select data_file from ducklake_list_files('warehouse', 'settings', schema => 'linkt')")
        assert len(files.fetchall()) == 1
    assert schedule.evaluate_tick(dg.build_schedule_context()).run_requests == []
    with lake.write() as con:
        note_change(con)
    assert len(schedule.evaluate_tick(dg.build_schedule_context()).run_requests) == 1


def test_snapshots_are_kept_for_as_many_days_as_the_settings_say(settings: Settings, lake: Warehouse) -> None:
    def snapshots() -> list[int]:
        with psycopg.connect(settings.catalog.get_secret_value()) as con:
            ages = "select extract(day from now() - snapshot_time)::int from linkt_lake.ducklake_snapshot order by 1"
            return [age for (age,) in con.execute(ages).fetchall()]

    with psycopg.connect(settings.catalog.get_secret_value()) as con:
        con.execute("update linkt_lake.ducklake_snapshot set snapshot_time = now() - interval '4 days'")
    with lake.write() as con:
        note_change(con)
    assert 4 in snapshots()

    lake.compact()

    assert set(snapshots()) == {0}


def test_a_file_needs_no_upkeep(tmp_path: Path) -> None:
    definitions = build_upkeep(Placement(), Backend(load_settings({"data_dir": tmp_path})), shared=False)

    assert not definitions.jobs
    assert not definitions.schedules
