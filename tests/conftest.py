"""What holds for every test: signals, where temporary folders are; a warehouse and a real PostgreSQL for who asks."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests import engines, postgres
from tests.file_order import LongFilesFirst
from tests.known_projects import share_loaded_projects
from tests.known_warehouse import share_empty_warehouse, stop_idle_engines
from tests.memory_disk import use_memory_disk
from tests.postgres import PostgresServer

if TYPE_CHECKING:
    from tests.lake import Lakes


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=engines.EVERY, help="only tests that have a warehouse, with this engine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if chosen := config.getoption("engine"):
        items[:] = [item for item in items if engines.engine_of(item, chosen) == chosen]


def pytest_configure(config: pytest.Config) -> None:
    use_memory_disk()
    share_loaded_projects()
    share_empty_warehouse()
    config.pluginmanager.register(LongFilesFirst())


@pytest.fixture(autouse=True)
def _sigint_is_heard() -> None:
    """Processes of a test inherit an ignored SIGINT that a CI or a test before left."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _few_engines() -> Iterator[None]:
    yield
    stop_idle_engines()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server for all tests of this process; a test that stops it starts it again."""
    if missing := postgres.what_is_missing():
        pytest.skip(missing)
    with postgres.postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def lakes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Lakes":
    """Makes warehouses that are lakes; needs the environment of `make lake`."""
    from tests import lake

    if missing := lake.what_is_missing():
        pytest.skip(missing)
    return lake.Lakes(request.getfixturevalue("postgres_server"), tmp_path_factory.mktemp("lake"))


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """Which engine holds the warehouse of a test; see tests/engines.py."""
    return str(request.config.getoption("engine") or engines.FILE)


@pytest.fixture
def warehouse(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """A new one."""
    if engine == engines.LAKE:
        with request.getfixturevalue("lakes").warehouse(tmp_path) as lake:
            yield lake
    else:
        yield FileWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=timedelta(seconds=5))


@pytest.fixture
def database(postgres_server: PostgresServer) -> str:
    """The URL of an empty database, with the password."""
    return postgres_server.new_database()


@pytest.fixture(scope="session")
def ledger_database(postgres_server: PostgresServer) -> str:
    """The URL of a database that the ledgers of all tests of this process share, one after the other."""
    return postgres_server.new_database()
