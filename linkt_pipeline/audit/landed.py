"""Reads landed payloads and the pipeline's records beside them, in pieces that fit into memory."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import duckdb

from linkt_pipeline.audit.values import parse_json

# For a Python list, DuckDB's client looks for a module that is not installed, element by element: ten times slower.
CHOSEN = "in (select unnest(from_json($1, '[\"VARCHAR\"]')))"
PIECE = 2_000  # rows; of payloads of a few kilobytes each


@dataclass(frozen=True)
class Body:
    """A payload and when it was read.

    Attributes:
        id: of the entity, signal, task...
        body: the payload as Python values; empty where it is no object.
        fetched_at: microseconds.
    """

    id: str
    body: dict[str, Any]
    fetched_at: int


def chosen(ids: Iterable[str]) -> str:
    """The parameter of :data:`CHOSEN`."""
    return json.dumps(list(ids))


def pieces(ids: Iterable[str], size: int = PIECE) -> Iterator[list[str]]:
    """The ids in lists of that size."""
    left = iter(ids)
    while piece := list(islice(left, size)):
        yield piece


class Landed:
    """The landed tables of an open warehouse or snapshot.

    Args:
        con: reads it; its current database is the one to audit.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a small result."""
        return self._con.execute(sql, parameters).fetchall()

    def columns(self, schema: str, table: str) -> dict[str, str]:
        """Types of a table's columns by name; empty where there is no such table."""
        found = self.rows(
            "select column_name, data_type from duckdb_columns() where database_name = current_database() "
            "and schema_name = $1 and table_name = $2 order by column_index",
            [schema, table],
        )
        return dict(found)

    def ids(self, table: str, key: str) -> list[str]:
        """Every id of a table, in order; what Linkt has deleted is in no mart."""
        return [found for (found,) in self.rows(f"select {key} from linkt.{table} {self._present(table)} order by 1")]  # noqa: S608

    def deleted(self, table: str, key: str) -> set[str]:
        """The ids of what was landed before Linkt deleted it."""
        if "deleted_at" not in self.columns("linkt", table):
            return set()
        return {found for (found,) in self.rows(f"select {key} from linkt.{table} where deleted_at is not null")}  # noqa: S608

    def _present(self, table: str) -> str:
        """The condition that holds for what Linkt has not deleted."""
        return f"where {'deleted_at is null' if 'deleted_at' in self.columns('linkt', table) else 'true'}"

    def bodies(self, table: str, key: str) -> Iterator[Body]:
        """Every payload of a table, some thousand at a time."""
        for ids in pieces(self.ids(table, key)):
            yield from self.bodies_of(table, key, ids)

    def bodies_of(self, table: str, key: str, ids: Collection[str]) -> Iterable[Body]:
        """The payloads of the ids that are landed, and not deleted."""
        found = self.rows(
            f"select {key}, payload::varchar, epoch_us(fetched_at) from linkt.{table} "  # noqa: S608
            f"{self._present(table)} and {key} {CHOSEN} order by 1",
            [chosen(ids)],
        )
        for landed_id, payload, fetched_at in found:
            body = parse_json(payload)
            yield Body(landed_id, body if isinstance(body, dict) else {}, fetched_at)
