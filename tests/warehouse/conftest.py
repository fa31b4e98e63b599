from datetime import timedelta
from pathlib import Path

import pytest

from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return FileWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=timedelta(seconds=5))
