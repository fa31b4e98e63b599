"""What a move tells, and why it is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.engines.comparison import TableProof


class MoveRefusedError(LinktPipelineError):
    """Nothing was moved: there is no source, the target is not empty, or something runs."""

    exit_code: ClassVar[int] = 2


@dataclass(frozen=True)
class Moved:
    """What became of a move.

    Attributes:
        is_new: something was done; else the warehouse was there already.
        tables: what was compared; empty if only the last step was missing.
        executions: rows of the ledger.
        open_executions: those that are adopted by the next run of their task.
        views_to_build: views that the next sync makes.
        views_left_out: views that were left out as well, and that no model makes.
        aside: where the old file is kept.
    """

    is_new: bool
    tables: Sequence[TableProof] = ()
    executions: int = 0
    open_executions: int = 0
    views_to_build: Sequence[str] = ()
    views_left_out: Sequence[str] = ()
    aside: Path | None = None
