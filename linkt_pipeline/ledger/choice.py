"""Which store keeps the ledger of a deployment."""

from datetime import timedelta

from linkt_pipeline.ledger.duckdb_store import DuckDbStore
from linkt_pipeline.ledger.ledger import LEASE, Ledger
from linkt_pipeline.ledger.store import LedgerStore
from linkt_pipeline.warehouse.warehouse import Warehouse


def ledger_of(warehouse: Warehouse, *, lease: timedelta = LEASE) -> Ledger:
    """The ledger of the deployment whose rows lie in a warehouse.

    Args:
        warehouse: says where its ledger is.
        lease: for how long an execution belongs to a process that does not renew it.
    """
    return Ledger(_store(warehouse), lease=lease)


def _store(warehouse: Warehouse) -> LedgerStore:
    if warehouse.ledger is None:
        return DuckDbStore(warehouse)
    # Here, because only a shared ledger needs psycopg.
    from linkt_pipeline.ledger.postgres_store import PostgresStore
    from linkt_pipeline.postgres.address import PostgresAddress

    return PostgresStore(PostgresAddress(warehouse.ledger.address, warehouse.ledger.schema), warehouse)
