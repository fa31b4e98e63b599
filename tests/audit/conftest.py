"""Worlds that are landed, and the models of sql/ built on them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from linkt_pipeline.transform import build_model, load_models, prepare_builds, warehouse_sources
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.migration import empty_warehouse
from linkt_pipeline.warehouse.warehouse import Session
from tests.paths import PROJECT_ROOT

from .worlds import World

Build = Callable[[Session], None]


@pytest.fixture(scope="session")
def build() -> Build:
    """Brings every model up to date, each in a transaction of its own, as a sync does."""
    with empty_warehouse() as con:
        graph = load_models(PROJECT_ROOT / "sql", warehouse_sources(con))

    def build(session: Session) -> None:
        with session.transaction() as con:
            prepare_builds(con, graph, [])
        for model in graph.models.values():
            with session.transaction() as con:
                build_model(con, model, full_refresh=False)

    return build


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with FileWarehouse(tmp_path / "warehouse.duckdb").session() as session:
        yield session


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, build: Build) -> Iterator[Session]:
    """One world, built, for tests that leave it as it was."""
    world = World(seed=7)
    with FileWarehouse(tmp_path_factory.mktemp("world") / "warehouse.duckdb").session() as session:
        for _ in range(12):
            with session.transaction() as con:
                world.live(con)
        build(session)
        yield session
