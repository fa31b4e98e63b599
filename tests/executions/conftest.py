"""One sandbox, one warehouse and one ledger per test."""

from collections.abc import Iterator
from functools import partial

import pytest
from pydantic import SecretStr

from linkt_pipeline.ledger import choice
from linkt_pipeline.ledger.postgres_store import PostgresStore
from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests import engines
from tests.ledger.stores import DUCKDB, POSTGRES, address_of, new_store

from .scene import SPEED, Scene


@pytest.fixture
def scene(
    request: pytest.FixtureRequest, engine: str, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    """Its ledger is in the file, or in PostgreSQL; see tests/engines.py."""
    store = new_store(request, warehouse, DUCKDB if engine == engines.FILE else POSTGRES)
    if (address := address_of(store)) and warehouse.ledger is None:
        monkeypatch.setattr(choice, "DuckDbStore", partial(PostgresStore, PostgresAddress(SecretStr(address))))
    with running_sandbox(speed=SPEED) as sandbox:
        yield Scene(sandbox, warehouse, address)
