"""One sandbox and one warehouse per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.warehouse.engines.file import FileWarehouse

from .scene import SPEED, Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with running_sandbox(speed=SPEED) as sandbox:
        yield Scene(sandbox, FileWarehouse(tmp_path / "warehouse.duckdb"))
