"""The engines that can hold the warehouse of a test, and its ledger.

A test has the file unless it says otherwise. Tests of contracts that a lake keeps too are marked, and run with both.
``pytest --engine lake`` runs all tests that have a warehouse with the lake, but for those that speak of a file.
"""

from pathlib import Path

import pytest

from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse

FILE, LAKE = EVERY = ("file", "lake")
FILE_AND_POSTGRES = "PostgreSQL"  # has the ledger of a lake, which needs no extension of DuckDB
WITH_EACH_ENGINE = pytest.mark.parametrize("engine", EVERY)
WITH_EACH_LEDGER = pytest.mark.parametrize("engine", [FILE, FILE_AND_POSTGRES, LAKE])
WITH_SHARED_LEDGER = pytest.mark.parametrize("engine", [FILE_AND_POSTGRES, LAKE])
OF_A_FILE = pytest.mark.parametrize("engine", [FILE])


def engine_of(item: pytest.Item, otherwise: str) -> str | None:
    """The engine of a test; None for a test without a warehouse.

    Args:
        item: the test.
        otherwise: the engine of those that don't name theirs.
    """
    if "engine" not in getattr(item, "fixturenames", ()):
        return None
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("engine", otherwise)) if callspec else otherwise


def last_write(warehouse: Warehouse) -> object:
    """What is another after anything was written."""
    if isinstance(warehouse, FileWarehouse):
        return warehouse.path.read_bytes()
    from linkt_pipeline.warehouse.engines.lake.published import current_snapshot

    with warehouse.read() as con:
        return current_snapshot(con)


def place_of(warehouse: Warehouse) -> list[str]:
    """What another process finds a warehouse by: the arguments of :func:`warehouse_at`."""
    if isinstance(warehouse, FileWarehouse):
        return [str(warehouse.path)]
    from linkt_pipeline.warehouse.engines.lake.warehouse import LakeWarehouse

    assert isinstance(warehouse, LakeWarehouse)
    assert warehouse.ledger is not None
    return [warehouse.ledger.address.get_secret_value(), warehouse._lake.files]


def warehouse_at(*place: str) -> Warehouse:
    """The same warehouse in another process."""
    if len(place) == 1:
        return FileWarehouse(Path(*place))
    from tests.lake import lake_at

    return lake_at(*place)
