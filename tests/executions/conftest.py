"""One sandbox, one warehouse and one ledger per test."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from linkt_pipeline.ledger import choice
from linkt_pipeline.ledger.postgres_store import PostgresStore
from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.ledger.stores import address_of, new_store

from .scene import SPEED, Scene


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Its ledger is in the warehouse, unless the test asks for another store by ``WITH_EACH_STORE``."""
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb")
    store = new_store(request, warehouse)
    if address := address_of(store):
        monkeypatch.setattr(choice, "DuckDbStore", partial(PostgresStore, PostgresAddress(SecretStr(address))))
    with running_sandbox(speed=SPEED) as sandbox:
        yield Scene(sandbox, warehouse, address)
