"""Which engine holds the warehouse of a deployment."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import SecretStr

from linkt_pipeline.errors import ConfigError
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.engines.file_mark import has_file
from linkt_pipeline.warehouse.errors import LakeBesideFileError, LakeUnavailableError
from linkt_pipeline.warehouse.warehouse import DEFAULT_LOCK_TIMEOUT, SharedLedger, Warehouse

if TYPE_CHECKING:
    from linkt_pipeline.warehouse.engines.lake.warehouse import LakeWarehouse


class Lake(Protocol):
    """What the settings of a deployment say of its lake."""

    @property
    def catalog(self) -> SecretStr:
        """Address of the PostgreSQL."""

    @property
    def schema(self) -> str:
        """The schema there."""

    @property
    def ledger_schema(self) -> str:
        """The schema of the ledger there."""

    @property
    def files(self) -> str:
        """A folder, or ``s3://bucket/prefix``."""

    @property
    def store(self) -> Mapping[str, str]:
        """The variables ``AWS_*``."""

    @property
    def keep(self) -> timedelta:
        """Age up to which the lake can be read as it was."""


class WarehouseSettings(Protocol):
    """What the settings of a deployment say of its warehouse."""

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file."""

    @property
    def root(self) -> Path:
        """The data folder."""

    @property
    def lake(self) -> Lake | None:
        """Where the lake is; None where a file holds the warehouse."""

    @property
    def contact_key_bytes(self) -> bytes | None:
        """What keys the hashes of contact data; None where they are kept as sent."""


def warehouse_of(settings: WarehouseSettings, *, lock_timeout: timedelta = DEFAULT_LOCK_TIMEOUT) -> Warehouse:
    """The warehouse that the settings name; a handle, which holds no connection by itself.

    Args:
        settings: of the deployment.
        lock_timeout: how long to wait for others.

    Raises:
        LakeUnavailableError: what a lake needs is not installed.
        LakeBesideFileError: the data folder has a warehouse already.
    """
    if settings.lake is None:
        warehouse: Warehouse = FileWarehouse(settings.warehouse_path, lock_timeout=lock_timeout)
    else:
        _require_no_file(settings.warehouse_path)
        warehouse = _lake(settings.lake, settings.root, lock_timeout)
    warehouse.contact_key = settings.contact_key_bytes
    return warehouse


def both_of(settings: WarehouseSettings) -> "tuple[FileWarehouse, LakeWarehouse]":
    """The file and the lake of a deployment, whichever is in use, for a move from one to the other.

    Raises:
        ConfigError: the settings name no lake.
        LakeUnavailableError: what a lake needs is not installed.
    """
    if settings.lake is None:
        raise ConfigError(
            "LINKT_CATALOG and LINKT_LAKE_PATH are not set, so there is no lake to move to or from; docs/lake.md says "
            "what they are"
        )
    return FileWarehouse(settings.warehouse_path), _lake(settings.lake, settings.root, DEFAULT_LOCK_TIMEOUT)


def _lake(lake: Lake, folder: Path, lock_timeout: timedelta) -> "LakeWarehouse":
    try:
        # Here, because only a lake needs psycopg.
        from linkt_pipeline.warehouse.engines.lake.place import LakePlace
        from linkt_pipeline.warehouse.engines.lake.warehouse import LakeWarehouse
    except ModuleNotFoundError as error:
        raise LakeUnavailableError(
            f"LINKT_CATALOG needs the package {error.name}; pip install 'linkt-pipeline[lake]' brings it"
        ) from None
    place = LakePlace.of(lake.catalog, lake.schema, lake.files, lake.store)
    warehouse = LakeWarehouse(place, folder, lock_timeout=lock_timeout, keep=lake.keep)
    warehouse.ledger = SharedLedger(lake.catalog, lake.ledger_schema)
    return warehouse


def _require_no_file(path: Path) -> None:
    """The ledger of a file may have open runs. A lake beside it knows nothing of them and would buy them again."""
    if has_file(path):
        raise LakeBesideFileError(
            f"LINKT_CATALOG is set, and {path} holds a warehouse with runs that the lake does not know of: a task that "
            "is waiting there would be bought again. `linkt-pipeline move --to lake` moves all of it to the lake; to "
            "go on with the file, unset LINKT_CATALOG and LINKT_LAKE_PATH"
        )
