"""What can go wrong between the pipeline and its DuckDB files."""

from pathlib import Path
from typing import ClassVar

from linkt_pipeline.errors import LinktPipelineError


class WarehouseError(LinktPipelineError):
    """The warehouse can't be used as asked."""


class WarehouseBusyError(WarehouseError):
    """Someone else held the file for longer than this process was willing to wait.

    Attributes:
        holder: program that holds it, as DuckDB names it; None when it is this process.
        pid: its process id, if known.
    """

    def __init__(self, message: str, *, holder: str | None = None, pid: int | None = None) -> None:
        super().__init__(message)
        self.holder = holder
        self.pid = pid


class TurnLostError(WarehouseBusyError):
    """The connection that held the turn to write was lost, so somebody else may write by now; nothing was kept."""


class CatalogUnreachableError(WarehouseBusyError):
    """The catalog of a lake, or the store of its files, did not answer for longer than this process would wait."""


class CatalogRefusedError(WarehouseError):
    """The catalog of a lake does not let this deployment in, or is not the one that it expects."""

    exit_code: ClassVar[int] = 2


class LakeFilesMissingError(WarehouseError):
    """The folder of a lake's files is not on this host, or their bucket refuses."""

    exit_code: ClassVar[int] = 2


class LakeFilesOfOthersError(WarehouseError):
    """Where the files of a new lake are to lie, there are files of another one."""

    exit_code: ClassVar[int] = 2


class LakeUnavailableError(WarehouseError):
    """What a lake needs is not installed here."""

    exit_code: ClassVar[int] = 2


class LakeBesideFileError(WarehouseError):
    """A deployment that is to use a lake has a warehouse in a file already."""

    exit_code: ClassVar[int] = 2


class WarehouseMovedError(WarehouseError):
    """The warehouse was moved away from here, or a move is not finished."""

    exit_code: ClassVar[int] = 2


class WarehouseInUseError(WarehouseError):
    """The same thread opened the warehouse while it had it open: a mistake in the calling code."""


class WarehouseMissingError(WarehouseError):
    """There is nothing to publish yet."""


class NotAWarehouseError(WarehouseError):
    """The file is no DuckDB database, or a damaged one."""

    exit_code: ClassVar[int] = 2


class NewerWarehouseError(WarehouseError):
    """The file was written by a newer version than the one that runs."""

    exit_code: ClassVar[int] = 2


class WarehouseUnwritableError(WarehouseError):
    """The disk is full, the file system read-only, or permission is missing. What was committed is safe."""


class SnapshotMissingError(WarehouseError):
    """There is no published snapshot to read."""

    exit_code: ClassVar[int] = 2

    def __init__(self, snapshot: Path) -> None:
        super().__init__(
            f"nothing is published yet: {snapshot} does not exist. `linkt-pipeline run TASK` or `linkt-pipeline sync` "
            "publishes one, `linkt-pipeline demo` one of made-up data"
        )


class SnapshotUnusableError(WarehouseError):
    """The published snapshot is no DuckDB database, a damaged one, or lacks a table or column that is read."""

    exit_code: ClassVar[int] = 2

    def __init__(self, snapshot: Path, reason: str) -> None:
        super().__init__(
            f"{snapshot} can't be read: {reason}. It is only a copy: `linkt-pipeline sync` builds all models and "
            "publishes a new one"
        )
