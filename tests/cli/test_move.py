"""``linkt-pipeline move``: what it says, and what the other commands say before and after."""

from pathlib import Path

import pytest

from linkt_pipeline.cli.main import run_command
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from linkt_pipeline.warehouse.state import write_state
from tests import lake as lakes_of_tests
from tests.postgres import PostgresServer

pytest.importorskip("psycopg")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINKT_API_KEY", "a key of nobody")
    monkeypatch.setenv("LINKT_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_without_a_lake_in_the_settings_there_is_nowhere_to_move_to(data: Path, capsys) -> None:
    assert run_command(["move", "--to", "lake"]) == 2
    assert "LINKT_CATALOG and LINKT_LAKE_PATH are not set" in capsys.readouterr().err


def test_what_is_published_is_answered_from_whatever_is_the_matter_with_the_warehouse(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    file = FileWarehouse(data / "warehouse.duckdb")
    with file.write() as con:
        write_state(con, "kept", "yes")
    publish_snapshot(file, data / "published")
    monkeypatch.setenv("LINKT_CATALOG", "postgresql://nobody:secret@127.0.0.1:9/linkt")
    monkeypatch.setenv("LINKT_LAKE_PATH", str(data.parent / "lake"))

    assert run_command(["query", "--live", "select 1"]) == 2
    assert "unset LINKT_CATALOG" in capsys.readouterr().err
    assert run_command(["query", "select value from linkt.sync_state", "--format", "csv"]) == 0
    assert "yes" in capsys.readouterr().out


def test_a_move_to_a_lake_and_back_says_what_is_where_and_the_side_that_was_left_refuses(
    postgres_server: PostgresServer, data: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    if missing := lakes_of_tests.what_is_missing():
        pytest.skip(missing)
    with FileWarehouse(data / "warehouse.duckdb").write() as con:
        write_state(con, "kept", "yes")
    settings = {"LINKT_CATALOG": postgres_server.new_database(), "LINKT_LAKE_PATH": str(data.parent / "lake")}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    assert run_command(["status"]) == 2
    assert "linkt-pipeline move --to lake" in capsys.readouterr().err

    assert run_command(["move", "--to", "lake"]) == 0
    told = capsys.readouterr().out
    assert "every count and hash is the same" in told
    assert "ledger         0 executions, 0 of them open" in told
    assert "warehouse.moved-" in told
    assert "p%40ss" not in told
    assert run_command(["move", "--to", "lake"]) == 0
    assert "nothing to do: the warehouse is in postgresql://" in capsys.readouterr().out

    for name in settings:
        monkeypatch.delenv(name)
    assert run_command(["status"]) == 2
    assert "was moved to postgresql://" in capsys.readouterr().err

    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert run_command(["move", "--to", "file"]) == 0
    assert "unset LINKT_CATALOG and LINKT_LAKE_PATH" in capsys.readouterr().out
    monkeypatch.setenv("LINKT_DATA_DIR", str(data.parent / "another host"))
    assert run_command(["sync"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: postgresql://")
    assert "was left at" in told
