"""``audit``: exit code and words by what is found, on the published snapshot and on the warehouse."""

import json
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.cli.main import run_command
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.audit.conftest import Build, build  # noqa: F401 a fixture
from tests.audit.worlds import World


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build) -> Path:  # noqa: F811
    """A deployment with a built warehouse and a copy of it in the snapshot's place."""
    for name in ("LINKT_API_KEY", "LINKT_DATA_DIR", "LINKT_TASKS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "data" / "sandbox"
    world = World(seed=3)
    with FileWarehouse(root / "warehouse.duckdb").session() as session:
        for _ in range(3):
            with session.transaction() as con:
                world.live(con)
        build(session)
    snapshot = root / "published" / "warehouse.duckdb"
    snapshot.parent.mkdir()
    snapshot.write_bytes((root / "warehouse.duckdb").read_bytes())
    return root


def _spoil(database: Path) -> None:
    with duckdb.connect() as con:
        con.execute(f"attach '{database}' as spoilt; use spoilt")
        con.execute(
            "update marts.run_history set credits = 999 where run_id = (select min(run_id) from marts.run_history)"
        )


def test_right_marts_give_zero_and_say_how_much_was_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["audit"]) == 0
    out, err = capsys.readouterr()
    assert "none differs" in out
    assert "figures compared" in out
    assert "auditing marts.companies" in err


def test_a_wrong_figure_gives_one_and_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _spoil(folder / "published" / "warehouse.duckdb")
    assert run_command(["audit"]) == 1
    out = capsys.readouterr().out
    assert "marts.run_history: 1 differ" in out
    assert "credits" in out
    assert "999" in out


def test_json_names_each_figure_and_nothing_else_is_on_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _spoil(folder / "published" / "warehouse.duckdb")
    assert run_command(["audit", "--json", "--mart", "run_history"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["differences"] == 1
    (mart,) = found["marts"]
    (figure,) = mart["figures"]
    assert (figure["mart"], figure["column"], figure["stored"]) == ("marts.run_history", "credits", 999)


def test_live_asks_the_warehouse_itself(folder: Path) -> None:
    _spoil(folder / "warehouse.duckdb")
    assert run_command(["audit", "--mart", "run_history"]) == 0
    assert run_command(["audit", "--mart", "run_history", "--live"]) == 1


def test_a_mart_that_does_not_exist_gets_a_guess(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["audit", "--mart", "compnies"]) == 2
    assert "did you mean 'companies'?" in capsys.readouterr().err


def test_nothing_published_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LINKT_API_KEY", raising=False)
    assert run_command(["audit"]) == 2
