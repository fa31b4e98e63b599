from datetime import timedelta
from pathlib import Path

import pytest

from linkt_pipeline.warehouse.file import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb", lock_timeout=timedelta(seconds=5))
