"""An empty warehouse that a test process knows: thousands of tests begin with one, and to make it costs 0.1 to 0.3 s.

A test that opens a file that does not exist, in a folder that does, gets a copy of one that was made by the product.
The processes that tests start make their own, and so does tests/warehouse/test_migration.py.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from linkt_pipeline.warehouse.engines import file
from linkt_pipeline.warehouse.engines.file import FileWarehouse

_MANY = 30
_prepare = FileWarehouse._take_new_name


def share_empty_warehouse() -> None:
    """Have every warehouse of this process that does not exist begin as a copy."""
    FileWarehouse._take_new_name = _begin_as_copy  # type: ignore[method-assign]


def _begin_as_copy(warehouse: FileWarehouse) -> None:
    """The first thing that happens to a file when a process has its turn."""
    path = warehouse.path
    if path.parent.is_dir() and not warehouse.exists and path.parent != Path(_folder().name):
        with suppress(OSError):  # the product will say what is wrong with the place
            beside = path.with_name(f".copied.{os.getpid()}")
            try:
                shutil.copyfile(_empty(), beside)  # with the rights of a new file
                os.link(beside, path)  # unless another process has made it meanwhile
            finally:
                beside.unlink(missing_ok=True)
    _prepare(warehouse)


def stop_idle_engines() -> None:
    """Give back the memory of the DuckDB that runs for each file that a test has opened, once they are many."""
    if len(file._turns) > _MANY:
        for path, turn in list(file._turns.items()):
            if turn._holder is None:
                del file._turns[path]
                if turn.engine is not None:
                    turn.engine.stop()


@cache
def _empty() -> Path:
    path = Path(_folder().name) / "warehouse.duckdb"
    FileWarehouse(path).migrate()
    return path


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory()  # until the process ends
