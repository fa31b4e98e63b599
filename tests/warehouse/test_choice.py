"""The settings decide which engine holds the warehouse."""

import sys
from pathlib import Path

import pytest

from linkt_pipeline.settings import load_settings
from linkt_pipeline.warehouse.engines.choice import warehouse_of
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.errors import LakeBesideFileError, LakeUnavailableError


@pytest.fixture(autouse=True)
def _a_deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINKT_API_KEY", "a key of nobody")
    monkeypatch.setenv("LINKT_DATA_DIR", str(tmp_path / "data"))


def test_a_file_unless_something_else_is_said(tmp_path: Path) -> None:
    found = warehouse_of(load_settings())

    assert isinstance(found, FileWarehouse)
    assert found.place == str(tmp_path / "data" / "warehouse.duckdb")


def test_without_its_packages_a_lake_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKT_CATALOG", "postgresql://linkt:secret-word@db.example.com/linkt")
    monkeypatch.setenv("LINKT_LAKE_PATH", "s3://bucket/prefix")
    for name in [name for name in sys.modules if name.startswith("linkt_pipeline.warehouse.engines.lake")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(LakeUnavailableError, match=r"psycopg; pip install 'linkt-pipeline\[lake\]'"):
        warehouse_of(load_settings())


def test_a_lake_is_not_begun_beside_a_file_that_may_have_open_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse_of(load_settings()).migrate()
    monkeypatch.setenv("LINKT_CATALOG", "postgresql://linkt:secret-word@db.example.com/linkt")
    monkeypatch.setenv("LINKT_LAKE_PATH", str(tmp_path / "lake"))

    with pytest.raises(LakeBesideFileError, match=r"would be bought again.*LINKT_CATALOG"):
        warehouse_of(load_settings())


def test_the_ledger_of_a_lake_lies_in_its_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("LINKT_CATALOG", "postgresql://linkt:secret-word@db.example.com/linkt")
    monkeypatch.setenv("LINKT_LAKE_PATH", str(tmp_path / "lake"))
    live = warehouse_of(load_settings()).ledger
    monkeypatch.delenv("LINKT_API_KEY")
    sandbox = warehouse_of(load_settings()).ledger

    assert live is not None
    assert live.address.get_secret_value() == "postgresql://linkt:secret-word@db.example.com/linkt"
    assert "secret-word" not in repr(live)
    assert (live.schema, sandbox and sandbox.schema) == ("linkt_ledger", "linkt_ledger_sandbox")
