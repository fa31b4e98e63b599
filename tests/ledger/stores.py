"""The stores that can keep a ledger, for tests that hold for each of them, and for the processes that these start."""

import os

import psycopg
import pytest
from pydantic import SecretStr

from linkt_pipeline.ledger.duckdb_store import DuckDbStore
from linkt_pipeline.ledger.postgres_store import PostgresStore
from linkt_pipeline.ledger.store import LedgerStore
from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.postgres.connections import connections_to
from linkt_pipeline.warehouse.warehouse import Warehouse

STORES = (DUCKDB, POSTGRES) = ("DuckDB", "PostgreSQL")
POSTGRES_ADDRESS = "TEST_LEDGER_ADDRESS"  # of a child process; empty: its ledger is in the warehouse
_EMPTY = "truncate linkt_ledger.executions, linkt_ledger.undelivered, linkt_ledger.answers"


def new_store(request: pytest.FixtureRequest, warehouse: Warehouse, name: str) -> LedgerStore:
    """The store of a name, without a row. Skips where there is no PostgreSQL.

    Args:
        request: of a fixture.
        warehouse: to which the ledger belongs; a lake says itself where it is.
        name: one of :data:`STORES`.
    """
    if name == DUCKDB:
        return DuckDbStore(warehouse)
    shared = warehouse.ledger
    address = PostgresAddress(shared.address if shared else SecretStr(request.getfixturevalue("ledger_database")))
    store = PostgresStore(address, warehouse)
    with store.write():
        pass  # makes the schema
    with psycopg.connect(address.conninfo.get_secret_value()) as postgres:
        postgres.execute(_EMPTY)
    request.addfinalizer(connections_to(address).close)
    return store


def address_of(store: LedgerStore) -> str:
    """What a child process finds the store by; empty for one in the warehouse."""
    return store.address.conninfo.get_secret_value() if isinstance(store, PostgresStore) else ""


def store_in(warehouse: Warehouse) -> LedgerStore:
    """The store of a child process."""
    address = os.environ[POSTGRES_ADDRESS]
    return PostgresStore(PostgresAddress(SecretStr(address)), warehouse) if address else DuckDbStore(warehouse)
