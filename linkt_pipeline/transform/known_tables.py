"""The tables and views of a warehouse, listed once for all builds of a connection and not for each.

DuckDB's functions that list a catalog go through all of it, whichever table is asked for: asked for each of sixty
models, that was half of a build in which nothing changes.
"""

from dataclasses import replace

import duckdb

from linkt_pipeline.transform.columns import relation
from linkt_pipeline.transform.model import Columns, Materialization, ModelKey, SqlModel
from linkt_pipeline.transform.moments import columns_of
from linkt_pipeline.warehouse.catalog import CatalogColumn, CatalogTable, describe, read_catalog
from linkt_pipeline.warehouse.descriptions import has_descriptions


class KnownTables:
    """Tables and views as they stand; what a build makes of one is noted here.

    A build that fails has to end with :meth:`forget`, because its transaction is rolled back.
    """

    def __init__(self) -> None:
        self._con: duckdb.DuckDBPyConnection | None = None
        self._tables: dict[ModelKey, CatalogTable] = {}
        self._described_apart = False

    def find(self, con: duckdb.DuckDBPyConnection, key: ModelKey) -> CatalogTable | None:
        """The table or view; None if there is none."""
        if con is not self._con:
            self._tables = {ModelKey(table.schema, table.name): table for table in read_catalog(con)}
            self._described_apart = has_descriptions(con)
            self._con = con
        return self._tables.get(key)

    def columns(self, con: duckdb.DuckDBPyConnection, key: ModelKey) -> Columns:
        """Names and types of its columns; empty if there is no such table."""
        table = self.find(con, key)
        return {column.name: column.type for column in table.columns} if table else {}

    def made(self, con: duckdb.DuckDBPyConnection, model: SqlModel) -> None:
        """Note that a model's table or view was made anew, which has no descriptions yet."""
        columns = columns_of(con, f"from {relation(model.key)}")
        self._tables[model.key] = CatalogTable(
            *model.key,
            model.materialization is Materialization.VIEW,
            None,
            tuple(CatalogColumn(name, data_type, None) for name, data_type in columns.items()),
        )

    def describe(self, con: duckdb.DuckDBPyConnection, model: SqlModel) -> Columns:
        """Bring the descriptions of a model's table or view up to date. Returns its columns."""
        table, text = self._tables[model.key], f"{model.description} Grain: {model.grain}"
        wanted = model.column_descriptions
        describe(con, table, text, wanted, apart=self._described_apart)
        columns = tuple(replace(column, description=wanted.get(column.name)) for column in table.columns)
        self._tables[model.key] = replace(table, description=text, columns=columns)
        return {column.name: column.type for column in columns}

    def forget(self) -> None:
        """List them again when one is asked for next."""
        self._con = None
