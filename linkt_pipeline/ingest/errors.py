"""How ingesting a file can end before its run."""

from collections.abc import Sequence
from typing import ClassVar

from linkt_pipeline.errors import LinktPipelineError


class IngestError(LinktPipelineError):
    """A file could not be ingested. Nothing was bought unless the message names a run."""


class FileRefusedError(IngestError):
    """The file can't be ingested as it is; every problem is listed. Nothing was sent."""

    exit_code: ClassVar[int] = 2

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        listed = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{name} can't be ingested, and nothing was sent:\n{listed}")
        self.problems = tuple(problems)


class TaskUnfitError(IngestError):
    """The Linkt task does not ingest files, or lacks a setting that the request does not give either."""

    exit_code: ClassVar[int] = 2


class TaskChangedError(IngestError):
    """Somebody else changed the Linkt task while the file was on its way."""

    def __init__(self, task_key: str, differences: Sequence[str]) -> None:
        listed = "\n".join(f"  {difference}" for difference in differences)
        super().__init__(
            f"task {task_key}: somebody else has changed the Linkt task since this ingest looked at it:\n{listed}\n"
            "Nothing was overwritten and nothing was bought. If the task is right as it is now, repeat the command: it "
            "takes the task as it is, and changes only its file"
        )


class TaskBusyError(IngestError):
    """Another run of the task is open, so the task must keep its file."""


class RunUnclearError(IngestError):
    """A run may be of this file, or of another file that somebody else has set meanwhile."""


class IngestBusyError(IngestError):
    """Another process ingests the same file right now."""


class UploadFailedError(IngestError):
    """The file is not at Linkt, or Linkt can't use it."""


class StillProcessingError(IngestError):
    """Linkt has the file and has not finished reading it."""


class AlreadyIngestedError(IngestError):
    """The run of this file was bought and did not complete; only ``again`` buys another one."""
