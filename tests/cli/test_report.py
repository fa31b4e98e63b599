"""``report``: a file where it was asked for, or a line that says what to do."""

from pathlib import Path

import pytest

from linkt_pipeline.cli.main import run_command
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from tests.sql.conftest import Bench, graph  # noqa: F401 a fixture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    for name in ("LINKT_API_KEY", "LINKT_DATA_DIR", "LINKT_TASKS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data" / "sandbox"


@pytest.fixture
def published(folder: Path, graph) -> Path:  # noqa: F811
    warehouse = FileWarehouse(folder / "warehouse.duckdb")
    with warehouse.write() as con:
        Bench(con, graph).build()
    publish_snapshot(warehouse, folder / "published")
    return folder


def test_writes_beside_the_warehouse_and_says_where(published, capsys):
    assert run_command(["report"]) == 0
    assert str(published / "report.html") in capsys.readouterr().out
    assert "made-up data" in (published / "report.html").read_text()


def test_writes_where_it_is_told(published, tmp_path):
    assert run_command(["report", "--output", "mine/page.html"]) == 0
    assert (tmp_path / "mine" / "page.html").read_text().startswith("<!doctype html>")


def test_nothing_published_yet(folder, capsys):
    assert run_command(["report"]) == 2
    assert "linkt-pipeline demo" in capsys.readouterr().err
    assert not folder.exists()


def test_file_that_cannot_be_written(published, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run_command(["report", "--output", "file/page.html"]) == 2
    assert "--output" in capsys.readouterr().err
