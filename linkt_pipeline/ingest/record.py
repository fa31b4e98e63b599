"""One row of the record of ingests, and how far its file has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class IngestState(StrEnum):
    """How far a file has come."""

    INTENDED = "intended"  # written down, nothing sent
    UPLOADING = "uploading"  # the upload may or may not have reached Linkt
    UPLOADED = "uploaded"  # Linkt has it and reads it
    READY = "ready"  # Linkt has read it
    CONFIGURING = "configuring"  # the task may or may not name it
    CONFIGURED = "configured"  # the task names it
    FINISHED = "finished"  # its run has ended and is landed
    FAILED = "failed"  # Linkt can't use the file

    @property
    def is_open(self) -> bool:
        """Whether there is still something to do."""
        return self not in (IngestState.FINISHED, IngestState.FAILED)


@dataclass(frozen=True)
class Ingest:
    """One row of the record. Times are aware, in UTC."""

    ingest_id: str
    task_key: str
    task_id: str
    file_name: str
    file_sha256: str
    file_rows: int
    primary_column: str
    state: IngestState
    upload_name: str | None
    file_id: str | None
    task_before: Mapping[str, Any] | None
    task_config: Mapping[str, Any] | None
    execution_id: str | None
    intended_at: datetime
    configured_at: datetime | None
    last_error: str | None
    lease_owner: str | None
    lease_until: datetime | None

    @property
    def token(self) -> str:
        """The part of the upload's name that no other upload has: Linkt's list of files shows names and no contents."""
        return self.ingest_id[:16]
