from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse


@pytest.fixture(params=["file", "lake"])
def engine(request: pytest.FixtureRequest) -> str:
    """Which engine holds the warehouse; a module about one engine has a fixture of this name that says so."""
    return str(request.param)


@pytest.fixture
def warehouse(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """A new one."""
    if engine == "lake":
        with request.getfixturevalue("lakes").warehouse(tmp_path) as lake:
            yield lake
    else:
        yield FileWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=timedelta(seconds=5))
