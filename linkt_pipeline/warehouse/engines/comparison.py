"""Proves that a lake and a warehouse file hold the same, before one takes the place of the other.

Both are attached to one DuckDB: the lake under its usual name, the file as :data:`MOVED`.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import duckdb

from linkt_pipeline.warehouse.catalog import CatalogTable, literal, quoted, read_catalog
from linkt_pipeline.warehouse.descriptions import SCHEMA as OF_THE_LAKE
from linkt_pipeline.warehouse.errors import WarehouseError
from linkt_pipeline.warehouse.running_duckdb import CATALOG

MOVED = "moved"


class MoveDiffersError(WarehouseError):
    """What arrived differs from what was sent; nothing was switched."""

    def __init__(self, difference: str) -> None:
        super().__init__(
            f"nothing was moved, and the warehouse is used where it was: what arrived differs in {difference}. This is "
            "a mistake in linkt-pipeline or DuckDB"
        )


@dataclass(frozen=True)
class TableProof:
    """What both sides have of a table.

    Attributes:
        table: schema.name.
        rows: how many.
        digest: of all values of all rows, in whatever order the rows are.
    """

    table: str
    rows: int
    digest: str


def catalog_of(con: duckdb.DuckDBPyConnection, database: str) -> list[CatalogTable]:
    """Tables and views of a database that is attached; the current one is the lake again afterwards."""
    con.execute(f"use {database}")
    try:
        return [table for table in read_catalog(con) if table.schema != OF_THE_LAKE]
    finally:
        con.execute(f"use {CATALOG}")


def compare(
    con: duckdb.DuckDBPyConnection, *, without_views: Collection[str] = (), without_rows_of: Collection[str] = ()
) -> list[TableProof]:
    """Compare every table, view, column, description, name of a macro, and row.

    Args:
        con: a connection with both.
        without_views: views that only the file has.
        without_rows_of: tables whose rows are in the ledger of the lake.

    Raises:
        MoveDiffersError: names the first difference.
    """
    in_lake, in_file = ({table.key: table for table in catalog_of(con, name)} for name in (CATALOG, MOVED))
    expected = {key: table for key, table in in_file.items() if key not in without_views}
    for key in sorted(expected.keys() | in_lake.keys()):
        if expected.get(key) != in_lake.get(key):
            raise MoveDiffersError(f"{key}: {_first_difference(expected.get(key), in_lake.get(key))}")
    if _macros(con, CATALOG) != _macros(con, MOVED):
        raise MoveDiffersError("its macros")
    proofs = []
    for key, table in expected.items():
        if table.is_view or key in without_rows_of:
            continue
        lake, file = (_proof(con, name, table) for name in (CATALOG, MOVED))
        if lake != file:
            raise MoveDiffersError(
                f"{key}: {lake.rows:,} rows ({lake.digest}) in the lake, {file.rows:,} ({file.digest}) in the file"
            )
        proofs.append(lake)
    return proofs


def _first_difference(one: CatalogTable | None, other: CatalogTable | None) -> str:
    if one is None or other is None:
        return "only one side has it"
    pairs = [(one.is_view, other.is_view), (one.description, other.description)]
    pairs += zip(one.columns, other.columns, strict=False)  # type: ignore[arg-type]
    return next((f"{left} and {right}" for left, right in pairs if left != right), "the number of columns")


def _proof(con: duckdb.DuckDBPyConnection, database: str, table: CatalogTable) -> TableProof:
    values = ", ".join(quoted(column.name) for column in table.columns)
    ((rows, *sums),) = con.execute(
        f"select count(*), sum(hash({values})), bit_xor(hash({values})) from {database}.{table.relation}"  # noqa: S608
    ).fetchall()
    return TableProof(table.key, int(rows), hashlib.blake2b(repr(sums).encode(), digest_size=8).hexdigest())


def _macros(con: duckdb.DuckDBPyConnection, database: str) -> list[tuple[object, ...]]:
    # Not their definitions: after it was read from a file or from a lake, DuckDB writes one and the same in other words
    # (cross joins, lambdas, names of types). Each build compares them with their files.
    return con.execute(
        "select schema_name, function_name, parameters from duckdb_functions() "  # noqa: S608
        f"where database_name = {literal(database)} and not internal order by all"
    ).fetchall()
