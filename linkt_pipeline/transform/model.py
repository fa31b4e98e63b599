"""What a SQL model is: one SELECT in one file, with a header that says how it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

Columns = Mapping[str, str]
"""Column name to DuckDB type, in the table's order."""


class ModelKey(NamedTuple):
    """A table's place in the warehouse: schema (which is also the folder and the asset group) and name."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @classmethod
    def parse(cls, text: str) -> "ModelKey":
        """Read ``schema.name``, in lower case as all names of tables are.

        Raises:
            ValueError: the text has not exactly two parts.
        """
        schema, name = text.strip().lower().split(".")
        return cls(schema, name)


class Materialization(StrEnum):
    """How a model is kept in the warehouse."""

    VIEW = "view"
    TABLE = "table"
    INCREMENTAL = "incremental"


class Severity(StrEnum):
    """What a failed check does: ``error`` holds back publication, ``warn`` is shown."""

    ERROR = "error"
    WARN = "warn"


@dataclass(frozen=True)
class Incremental:
    """How an incremental model finds out which of its keys to compute again.

    Attributes:
        key: columns that identify a group of rows which is replaced as a whole.
        cursor: a column whose value differs whenever any row of its key differs (a timestamp of the last change or a
            fingerprint; its order does not matter). Without one the changed keys are known by what it follows alone.
        spine: the one table of the FROM clause that holds the key; only its changed keys are read.
        narrow: other tables of which only the rows of changed keys are read, with the column that holds the key.
        follows: tables whose changed rows say which keys change.
    """

    key: tuple[str, ...]
    cursor: str | None
    spine: ModelKey
    narrow: tuple["Reference", ...] = ()
    follows: tuple["Follow", ...] = ()


@dataclass(frozen=True)
class Follow:
    """Which keys of a model change with the rows of a table that it is computed from.

    Attributes:
        table: the table, which is no view.
        select: gives the keys from ``changed``, the changed rows of the table as they were and as they are.
        columns: those that ``changed`` has.
    """

    table: ModelKey
    select: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reference:
    """``column`` of the model and ``target_column`` of ``target`` hold the same ids."""

    column: str
    target: ModelKey
    target_column: str


@dataclass(frozen=True)
class Header:
    """The comment lines a model's file begins with.

    Of each row that a build changes, the build records the columns ``tells`` for the models that follow.
    """

    description: str
    grain: str
    materialization: Materialization
    incremental: Incremental | None
    tells: tuple[str, ...]
    rows: str | None
    stays_view: bool
    columns: Mapping[str, str]
    unique: tuple[tuple[str, ...], ...]
    not_null: tuple[str, ...]
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class TableReference:
    """A table named in a SELECT, and where: byte offsets into the file's text, and the line."""

    key: ModelKey
    start: int
    line: int
    alias: str


@dataclass(frozen=True)
class SqlModel:
    """One file of sql/: a SELECT, or a seed, whose SELECT holds the rows of its CSV file.

    Attributes:
        key: schema and name.
        path: the file.
        header: what its comments say.
        sql: header and SELECT as written, up to the closing semicolon.
        reads: every place where it names a table.
        code_version: hash of what this file says (white space and comments apart).
        is_repeatable: the same rows read give the same rows; nothing is asked of the clock, chance or a file.
        inputs: the tables it is computed from in the end: what it reads, with views seen through.
        macros: the macros of sql/macros that it calls itself.
    """

    key: ModelKey
    path: Path
    header: Header
    sql: str
    reads: tuple[TableReference, ...]
    code_version: str
    is_repeatable: bool
    inputs: tuple[ModelKey, ...] = ()
    macros: tuple[str, ...] = ()

    @property
    def schema(self) -> str:
        """Folder, DuckDB schema and asset group."""
        return self.key.schema

    @property
    def name(self) -> str:
        """File stem and table name."""
        return self.key.name

    @property
    def description(self) -> str:
        """What the table is for, in a sentence or two."""
        return self.header.description

    @property
    def grain(self) -> str:
        """What one row stands for."""
        return self.header.grain

    @property
    def materialization(self) -> Materialization:
        """View, table or incremental table."""
        return self.header.materialization

    @property
    def column_descriptions(self) -> Mapping[str, str]:
        """Column name to description, for the columns the header speaks of."""
        return self.header.columns

    @property
    def depends_on(self) -> tuple[ModelKey, ...]:
        """The tables it reads, each once, in the order of first mention."""
        return tuple(dict.fromkeys(read.key for read in self.reads))
