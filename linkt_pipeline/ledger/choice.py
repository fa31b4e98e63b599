"""Which store keeps the ledger of a deployment."""

from datetime import timedelta

from linkt_pipeline.ledger.duckdb_store import DuckDbStore
from linkt_pipeline.ledger.ledger import LEASE, Ledger
from linkt_pipeline.warehouse.warehouse import Warehouse


def ledger_of(warehouse: Warehouse, *, lease: timedelta = LEASE) -> Ledger:
    """The ledger of the deployment whose rows lie in a warehouse."""
    return Ledger(DuckDbStore(warehouse), lease=lease)
