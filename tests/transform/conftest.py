"""A small folder of models in a temporary place, and a database for them."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.transform import ModelGraph, load_models, warehouse_sources
from linkt_pipeline.warehouse.tables import MODEL_BUILDS, ROW_CHANGES, SEEN_ROWS

HEADER = "-- description: About {name}.\n-- grain: one row per thing.\n"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute(
        "create schema linkt; "
        "create table linkt.things (id varchar, data json, changed_at timestamptz); "
        "create table linkt.names (id varchar, name varchar); "
        "create table linkt.sync_state (name varchar, value varchar, updated_at timestamptz)"
    )
    for table in (MODEL_BUILDS, ROW_CHANGES, SEEN_ROWS):
        connection.execute(table.creation())
    yield connection
    connection.close()


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
