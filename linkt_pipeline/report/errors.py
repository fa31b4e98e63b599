"""What can go wrong while the report is made."""

from pathlib import Path
from typing import ClassVar

from linkt_pipeline.errors import LinktPipelineError


class ReportError(LinktPipelineError):
    """The report can't be made as things are."""

    exit_code: ClassVar[int] = 2


class OutputUnwritableError(ReportError):
    """The report's file can't be written."""

    def __init__(self, output: Path, reason: str) -> None:
        super().__init__(f"the report can't be written to {output}: {reason}. Choose another file with --output FILE")
