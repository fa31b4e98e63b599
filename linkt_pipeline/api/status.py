"""The states of a Linkt run and of an uploaded file, and which of them are the last ones."""

from enum import StrEnum
from functools import lru_cache

_TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELED", "CRASHED"})
# The engine behind the API (Prefect) spells these differently, and some of its words reach clients.
_ALIASES = {"CANCELLED": "CANCELED", "CANCELLING": "RUNNING", "CANCELING": "RUNNING"}


class RunStatus(StrEnum):
    """The eight documented states, and UNKNOWN for a word that is not among them."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    CRASHED = "CRASHED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_terminal(self) -> bool:
        """Whether the run will never change again. UNKNOWN is not terminal: a new word may mean "still working"."""
        return self.value in _TERMINAL

    @classmethod
    def parse(cls, raw: object) -> "RunStatus":
        """The state a wire value means, in any case and with either spelling of "cancelled"."""
        return _parse(raw) if isinstance(raw, str) else cls.UNKNOWN


@lru_cache(maxsize=64)
def _parse(raw: str) -> RunStatus:
    word = raw.strip().upper()
    word = _ALIASES.get(word, word)
    return RunStatus(word) if word in RunStatus.__members__ else RunStatus.UNKNOWN


class FileStatus(StrEnum):
    """How far Linkt has processed an uploaded file, and UNKNOWN for a word that is not documented."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Whether the file will never change again. UNKNOWN is not terminal: a new word may mean "still working"."""
        return self in (FileStatus.COMPLETED, FileStatus.FAILED)

    @classmethod
    def parse(cls, raw: object) -> "FileStatus":
        """The state a wire value means, in any case."""
        word = raw.strip().upper() if isinstance(raw, str) else ""
        return cls[word] if word in cls.__members__ else cls.UNKNOWN
