"""Types of the published tables: the ones that BI tools, polars and pandas read alike.

The warehouse keeps what DuckDB computes. Some of these types are misread or refused elsewhere: a TIMESTAMP WITH TIME
ZONE is shown and truncated in the reader's own zone and needs pytz in Python, ``sum`` of integers is a HUGEINT, and
``sum`` of decimals a DECIMAL(38). So the published copy of every model is converted.
"""

import re

import duckdb

from linkt_pipeline.warehouse.catalog import CatalogColumn, CatalogTable, quoted

TEXT = "VARCHAR"
_WHOLE = "BIGINT"
_WIDEST_DECIMAL = 18  # digits of a 64-bit number; wider ones reach Python as Decimal and many tools not at all
_DECIMAL = re.compile(r"DECIMAL\((\d+),\d+\)")
_MAY_OVERFLOW = frozenset({"UBIGINT", "HUGEINT", "UHUGEINT"})
_PUBLISHED = {
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP_NS": "TIMESTAMP",
    "TIME WITH TIME ZONE": TEXT,
    "INTERVAL": TEXT,
    "UUID": TEXT,
    "BIT": TEXT,
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", *_MAY_OVERFLOW), _WHOLE),
}


def published_type(data_type: str) -> str:
    """The type that a model's column has in the published DuckDB file; lists are converted by their elements."""
    if data_type.endswith("[]"):
        return f"{published_type(data_type.removesuffix('[]'))}[]"
    if decimal := _DECIMAL.fullmatch(data_type):
        return "DOUBLE" if int(decimal[1]) > _WIDEST_DECIMAL else data_type
    if data_type.startswith("ENUM("):
        return TEXT
    return _PUBLISHED.get(data_type, data_type)


def parquet_type(data_type: str) -> str:
    """The type of a published column in its Parquet file, where polars reads JSON as binary."""
    if data_type.endswith("[]"):
        return f"{parquet_type(data_type.removesuffix('[]'))}[]"
    return TEXT if data_type == "JSON" else data_type


def conversions(con: duckdb.DuckDBPyConnection, table: CatalogTable) -> dict[str, str]:
    """The columns of a table whose type changes with publication, each with its new type.

    Whole numbers become BIGINT. If one of them is too large for BIGINT, the column becomes text with every digit.
    """
    found: dict[str, str] = {}
    for column in table.columns:
        wanted = published_type(column.type)
        if wanted != column.type:
            too_large = column.type.rstrip("[]") in _MAY_OVERFLOW and not _fits(con, table, column, wanted)
            found[column.name] = wanted.replace(_WHOLE, TEXT) if too_large else wanted
    return found


def _fits(con: duckdb.DuckDBPyConnection, table: CatalogTable, column: CatalogColumn, data_type: str) -> bool:
    try:
        con.execute(f"select count(cast({quoted(column.name)} as {data_type})) from {table.relation}")  # noqa: S608
    except duckdb.ConversionException:
        return False
    return True
