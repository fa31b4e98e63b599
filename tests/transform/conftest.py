"""A small folder of models in a temporary place, and a database for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.transform import ModelGraph, load_models, warehouse_sources
from linkt_pipeline.warehouse.tables import MODEL_BUILDS, ROW_CHANGES, SEEN_ROWS
from tests.engines import LAKE

_TO_READ = (
    "create table linkt.things (id varchar, data json, changed_at timestamptz); "
    "create table linkt.names (id varchar, name varchar)"
)
HEADER = "-- description: About {name}.\n-- grain: one row per thing.\n"


@pytest.fixture
def lake(engine: str, request: pytest.FixtureRequest) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """One without a row, where it is the engine of a test. Otherwise what a test needs is in memory."""
    if engine == LAKE:
        with request.getfixturevalue("warehouse")._held() as connection:
            yield connection
    else:
        yield None


@contextmanager
def in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """The few tables that builds need, and two for models to read."""
    with duckdb.connect() as connection:
        connection.execute(
            "create schema linkt; create table linkt.sync_state (name varchar, value varchar, updated_at timestamptz)"
        )
        for table in (MODEL_BUILDS, ROW_CHANGES, SEEN_ROWS):
            connection.execute(table.creation())
        connection.execute(_TO_READ)
        yield connection


@pytest.fixture
def con(lake: duckdb.DuckDBPyConnection | None) -> Iterator[duckdb.DuckDBPyConnection]:
    if lake:
        lake.execute(_TO_READ)
        yield lake
    else:
        with in_memory() as connection:
            yield connection


class Folder:
    """Writes models and loads them."""

    def __init__(self, root: Path, con: duckdb.DuckDBPyConnection) -> None:
        self.root = root
        self._con = con

    def write(self, name: str, sql: str, *, header: str | None = None) -> Path:
        schema, table = name.split(".")
        path = self.root / schema / f"{table}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text((HEADER.format(name=name) if header is None else header) + sql)
        return path

    def load(self) -> ModelGraph:
        return load_models(self.root, warehouse_sources(self._con))


@pytest.fixture
def folder(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> Folder:
    return Folder(tmp_path, con)
