"""Which engine holds the warehouse of a deployment."""

from datetime import timedelta
from pathlib import Path
from typing import Protocol

from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import DEFAULT_LOCK_TIMEOUT, Warehouse


class WarehouseSettings(Protocol):
    """What the settings of a deployment say of its warehouse."""

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file."""

    @property
    def contact_key_bytes(self) -> bytes | None:
        """What keys the hashes of contact data; None where they are kept as sent."""


def warehouse_of(settings: WarehouseSettings, *, lock_timeout: timedelta = DEFAULT_LOCK_TIMEOUT) -> Warehouse:
    """The warehouse that the settings name; a handle, which holds no connection by itself.

    Args:
        settings: of the deployment.
        lock_timeout: how long to wait for others.
    """
    warehouse = FileWarehouse(settings.warehouse_path, lock_timeout=lock_timeout)
    warehouse.contact_key = settings.contact_key_bytes
    return warehouse
