"""One sandbox, one warehouse and one file per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.executions.scene import SPEED

from .scene import LIST, IngestScene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[IngestScene]:
    file = tmp_path / "fair.csv"
    file.write_text(LIST, encoding="utf-8")
    with running_sandbox(speed=SPEED) as sandbox:
        yield IngestScene(sandbox, FileWarehouse(tmp_path / "warehouse.duckdb"), file=file)
