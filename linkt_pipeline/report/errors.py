"""What can go wrong while the report is made."""

from pathlib import Path
from typing import ClassVar

from linkt_pipeline.errors import LinktPipelineError


class ReportError(LinktPipelineError):
    """The report can't be made as things are."""

    exit_code: ClassVar[int] = 2


class SnapshotMissingError(ReportError):
    """There is no published snapshot to report on."""

    def __init__(self, snapshot: Path) -> None:
        super().__init__(
            f"nothing is published yet: {snapshot} does not exist. `linkt-pipeline run TASK` or `linkt-pipeline sync` "
            "makes it, `linkt-pipeline demo` one of made-up data"
        )


class SnapshotUnusableError(ReportError):
    """The file is no DuckDB database, or lacks a table or column the report reads."""

    def __init__(self, snapshot: Path, reason: str) -> None:
        super().__init__(
            f"{snapshot} can't be reported on: {reason}. `linkt-pipeline sync` builds all models and publishes anew"
        )


class OutputUnwritableError(ReportError):
    """The report's file can't be written."""

    def __init__(self, output: Path, reason: str) -> None:
        super().__init__(f"the report can't be written to {output}: {reason}. Choose another file with --output FILE")
