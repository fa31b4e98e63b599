"""Dagster's own event log, with its connections to SQLite prepared once instead of for every event.

Same files, same rows, and the UI reads them as ever. A run of the free part writes some four hundred events; for each
Dagster sets up SQLAlchemy anew, which compiles every statement again, and asks which tables and columns there are. That
takes a fifth of such a run.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool


class PreparedSqliteEventLogStorage(SqliteEventLogStorage):
    """One SQLAlchemy engine per file, for as long as the process lives; every connection is closed after its use."""

    def __init__(self, base_dir: str) -> None:
        # Before the base class, which connects at once.
        self._engines: dict[str, Engine] = {}
        self._there: set[tuple[str, str]] = set()
        super().__init__(base_dir)

    def has_table(self, table_name: str) -> bool:
        """Whether the table exists; one that was seen stays."""
        return self._is_there("table", table_name, super().has_table)

    def has_asset_key_col(self, column_name: str) -> bool:
        """Whether the table of assets has the column; one that was seen stays."""
        return self._is_there("column", column_name, super().has_asset_key_col)

    def has_secondary_index(self, name: str) -> bool:
        """Whether a data migration of Dagster's was made; one that was, stays so."""
        return self._is_there("index", name, super().has_secondary_index)

    def _is_there(self, kind: str, name: str, look: Callable[[str], bool]) -> bool:
        if (kind, name) not in self._there and look(name):
            self._there.add((kind, name))
        return (kind, name) in self._there

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engines[shard] if shard in self._initialized_dbs else self._prepare(shard)
            with engine.begin() as connection:
                yield connection

    def _prepare(self, shard: str) -> Engine:
        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=NullPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
        )
        self._initdb(engine)
        self._initialized_dbs.add(shard)
        self._engines[shard] = engine
        return engine


class PreparedSqliteStorage(DagsterSqliteStorage):
    """Dagster's default storage, with the event log above."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = PreparedSqliteEventLogStorage(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PreparedSqliteStorage":
        """Called by Dagster with what :func:`with_prepared_event_log` says."""
        return cls.from_local(inst_data=inst_data, **config_value)


def with_prepared_event_log(instance: InstanceRef) -> InstanceRef:
    """The same instance; one that keeps its events elsewhere than in Dagster's SQLite files is left as it is."""
    storage = instance.storage_data
    if storage is None or storage.class_name != DagsterSqliteStorage.__name__:
        return instance
    prepared = ConfigurableClassData(__name__, PreparedSqliteStorage.__name__, storage.config_yaml)
    return instance._replace(storage_data=prepared)
