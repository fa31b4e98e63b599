"""What the definition of a table says, and the statements that follow from it."""

from dataclasses import dataclass

from linkt_pipeline.warehouse.catalog import quoted

SCHEMA = "linkt"

TEXT = "VARCHAR"
TEXTS = "VARCHAR[]"
JSON = "JSON"
INTEGER = "INTEGER"
BIGINT = "BIGINT"
DOUBLE = "DOUBLE"
BOOLEAN = "BOOLEAN"
DATE = "DATE"
MOMENT = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: its name.
        type: as DuckDB writes it.
        description: what it means; for a number with its unit.
        required: it is never null.
        packed: it holds large JSON. Linkt repeats itself so much that ZSTD keeps it in a fraction of the space that
            DuckDB's own choice takes, and writes it faster.
    """

    name: str
    type: str
    description: str
    required: bool = False
    packed: bool = False


class Relation:
    """A table or a view.

    Args:
        name: its name in schema ``linkt``.
        description: what a row is.
        columns: in their order.
    """

    def __init__(self, name: str, description: str, *columns: Column) -> None:
        self.name = name
        self.description = description
        self.columns = columns

    @property
    def relation(self) -> str:
        """``linkt.name``."""
        return f"{SCHEMA}.{self.name}"


class View(Relation):
    """A view, which the file ``views/name.sql`` creates."""


class Table(Relation):
    """A table."""

    def creation(self, *, packed: bool = True) -> str:
        """The statement that creates it without a row.

        Args:
            packed: name the compression of packed columns, which only a DuckDB file takes.
        """
        lines = ", ".join(_definition(column, packed) for column in self.columns)
        return f"create table {self.relation} ({lines})"


def _definition(column: Column, packed: bool) -> str:
    compression = " using compression zstd" if packed and column.packed else ""
    required = " not null" if column.required else ""
    return f"{quoted(column.name)} {column.type}{compression}{required}"
