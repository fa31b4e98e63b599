"""Lakes for tests: each is a copy of one that was made once, because making one takes seconds."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from pydantic import SecretStr

from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.postgres.connections import connections_to
from linkt_pipeline.warehouse.engines.lake.extensions import OF_A_CATALOG, packaged_extension
from linkt_pipeline.warehouse.engines.lake.place import LakePlace
from linkt_pipeline.warehouse.engines.lake.warehouse import LakeWarehouse
from linkt_pipeline.warehouse.warehouse import SharedLedger
from tests import postgres
from tests.postgres import PostgresServer

SCHEMA = "linkt_lake"
LEDGER_SCHEMA = "linkt_ledger"
_numbers = itertools.count()


def what_is_missing() -> str | None:
    """Why there can be no lake in this environment, if there can't."""
    if not all(map(packaged_extension, OF_A_CATALOG)):
        return "DuckLake's extensions are not packaged for this DuckDB: `make lake` makes an environment that has them"
    return postgres.what_is_missing()


def lake_at(url: str, files: Path | str, **options: object) -> LakeWarehouse:
    """The warehouse whose catalog is the database of a URL.

    Args:
        url: of the database.
        files: where the Parquet files lie.
        options: of :class:`LakeWarehouse`; a timeout of a minute unless it says otherwise.
    """
    folder = Path(options.pop("folder", Path(files).parent))
    place = LakePlace.of(SecretStr(url), SCHEMA, str(files), {})
    lake = LakeWarehouse(place, folder, **{"lock_timeout": timedelta(minutes=1), **options})
    lake.ledger = SharedLedger(SecretStr(url), LEDGER_SCHEMA)
    return lake


class Lakes:
    """Lakes of one server that nobody has written to.

    Args:
        server: for the catalogs.
        folder: for the files of the lake that the others are copies of.
    """

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self._server = server
        url = server.new_database()
        self._template = urlsplit(url).path[1:]
        self._files = folder / "files"
        made = lake_at(url, self._files)
        made.migrate()
        made.close()
        connections = connections_to(PostgresAddress(SecretStr(url), LEDGER_SCHEMA))
        with connections.transaction("begin", timeout=timedelta(minutes=1)):
            pass  # makes the schema of the ledger
        connections.close()

    def new(self, files: Path) -> str:
        """Make one. Returns the URL of its catalog.

        Args:
            files: where its Parquet files will lie.
        """
        shutil.copytree(self._files, files, dirs_exist_ok=True)
        url = self._server.url(f"lake_{next(_numbers)}_{self._template}")
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as con:
            con.execute(f'create database "{urlsplit(url).path[1:]}" template "{self._template}"')
        with psycopg.connect(url) as con:
            con.execute(f"update {SCHEMA}.ducklake_metadata set value = %s where key = 'data_path'", [f"{files}/"])
        return url

    @contextmanager
    def warehouse(self, folder: Path) -> Iterator[LakeWarehouse]:
        """One in a folder, for as long as the block lasts."""
        (folder / "lake").mkdir(parents=True, exist_ok=True)
        lake = lake_at(self.new(folder / "lake"), folder / "lake")
        try:
            yield lake
        finally:
            lake.close()
