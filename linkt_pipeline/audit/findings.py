"""What an audit finds: how much was compared, and each figure that differs."""

from dataclasses import dataclass, field
from typing import Any

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Figure:
    """One figure that differs.

    Attributes:
        mart: table, with its schema.
        key: the row, by the columns that identify it.
        column: the column that differs; None if only one side has the row.
        stored: what the mart says.
        recomputed: what the payloads say.
    """

    mart: str
    key: dict[str, Any]
    column: str | None
    stored: Any
    recomputed: Any


@dataclass
class MartAudit:
    """What was found in one mart.

    Attributes:
        mart: table, with its schema.
        rows: rows compared.
        compared: figures compared.
        unsure: figures whose reading only a macro defines, left out.
        left_out: rows beyond the bound, left out.
        skipped: columns that are never compared.
        differences: how many figures differ.
        figures: the first of them.
        absent: True where the file has no such table.
    """

    mart: str
    rows: int = 0
    compared: int = 0
    unsure: int = 0
    left_out: int = 0
    skipped: tuple[str, ...] = ()
    differences: int = 0
    figures: list[Figure] = field(default_factory=list)
    absent: bool = False


@dataclass(frozen=True)
class Audit:
    """What was found in all marts.

    Attributes:
        marts: the marts that are recomputed.
        others: the user's own marts, which are not.
        stale: why the marts may be older than the landed rows, which alone can make differences; None if they are not.
    """

    marts: tuple[MartAudit, ...]
    others: tuple[str, ...]
    stale: str | None

    @property
    def compared(self) -> int:
        """Figures compared."""
        return sum(mart.compared for mart in self.marts)

    @property
    def unsure(self) -> int:
        """Figures left out."""
        return sum(mart.unsure for mart in self.marts)

    @property
    def differences(self) -> int:
        """Figures that differ."""
        return sum(mart.differences for mart in self.marts)
