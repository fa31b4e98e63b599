"""Dagster's standard metadata, from the tables themselves."""

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
import duckdb

from linkt_pipeline.display import shown
from linkt_pipeline.transform import Columns, ModelKey, SqlModel
from linkt_pipeline.warehouse.catalog import CatalogTable

KINDS = {"duckdb"}

Landed = Mapping[ModelKey, CatalogTable]
"""The tables of schema ``linkt``, as the migrations make them."""

# A task that runs once a week keeps what is published green; two weeks of silence are red.
WEEKLY = dg.FreshnessPolicy.time_window(warn_window=timedelta(days=8), fail_window=timedelta(days=15))


def landed_metadata(table: CatalogTable) -> dict[str, Any]:
    """What is known of a table of schema ``linkt`` before it holds a row."""
    columns = {column.name: column.type for column in table.columns}
    descriptions = {column.name: column.description for column in table.columns}
    return _table_metadata(f"{table.schema}.{table.name}", _schema(columns, descriptions))


def model_metadata(model: SqlModel, columns: Columns) -> dict[str, Any]:
    """What is known of a model before it is built."""
    return _table_metadata(str(model.key), model_schema(model, columns))


def model_schema(model: SqlModel, columns: Columns) -> dg.TableSchema:
    """A model's columns, with what its header says of them."""
    alone = [names[0] for names in model.header.unique if len(names) == 1]
    together = [f"unique: {', '.join(names)}" for names in model.header.unique if len(names) > 1]
    return _schema(columns, model.column_descriptions, alone, model.header.not_null, together)


def _table_metadata(table: str, schema: dg.TableSchema) -> dict[str, Any]:
    return {"dagster/table_name": table, "dagster/storage_kind": "duckdb", "dagster/column_schema": schema}


def _schema(
    columns: Columns,
    descriptions: Mapping[str, str | None],
    unique: Collection[str] = (),
    not_null: Collection[str] = (),
    table_constraints: Iterable[str] = (),
) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                data_type,
                description=descriptions.get(name),
                constraints=dg.TableColumnConstraints(nullable=name not in not_null, unique=name in unique),
            )
            for name, data_type in columns.items()
        ],
        constraints=dg.TableConstraints(other=list(table_constraints)),
    )


LARGEST_TEXT = 256 * 2**10
"""Characters of one piece of metadata. Dagster's history keeps every piece for ever."""


def bounded(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of a materialization or check; every text that is too long to be kept for ever is cut.

    Every text about data that an asset hands to Dagster passes here, because the author of the data decides its length.
    """
    return {name: _bounded_value(value) for name, value in metadata.items()}


def _bounded_value(value: Any) -> Any:
    match value:
        case str():
            return bounded_text(value)
        case dg.MarkdownMetadataValue(md_str=text) if text is not None:
            if text.startswith("!["):  # half of a drawing shows nothing
                if len(text) <= LARGEST_TEXT:
                    return value
                return dg.MetadataValue.md(f"*A drawing of {len(text):,} characters is too large to be shown here.*")
            return dg.MetadataValue.md(bounded_text(text))
        case dg.TextMetadataValue(text=text) if text is not None:
            return dg.MetadataValue.text(bounded_text(text))
    return value


def bounded_text(text: str) -> str:
    """A text as it may be shown; of a long one the beginning, and how much was cut."""
    return shown(text, LARGEST_TEXT)


def count_rows(con: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of one table; its name comes from the code, never from data."""
    return int(con.execute(f"select count(*) from {table}").fetchall()[0][0])  # noqa: S608
