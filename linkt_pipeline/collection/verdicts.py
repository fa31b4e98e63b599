"""What became of an id that was asked for. Each verdict is as old as its request."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from linkt_pipeline.collection.frames import RowValues


@dataclass(frozen=True, slots=True)
class Row:
    """It is there: what is landed of it, and how many bytes its body had."""

    values: RowValues
    size: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Missing:
    """Linkt answered 404."""

    resource_id: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Rejected:
    """Its body can't be used and is kept, with the reason."""

    resource_id: str
    reason: str
    payload: str | None
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """It can't be read for now and stays pending, with the reason."""

    resource_id: str
    reason: str
    asked_at: datetime


Verdict = Row | Missing | Rejected | Failed


@dataclass
class Batch:
    """Verdicts that are landed together.

    Attributes:
        rows: what is to be landed.
        missing: ids that answered 404.
        rejected: ids whose body can't be used.
        failed: why ids can't be read for now.
        asked_since: when the first of its requests was sent; nothing in it is older than that.
        size: bytes of the bodies in it.
    """

    rows: list[RowValues] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    asked_since: datetime = field(default_factory=lambda: datetime.now(UTC))
    size: int = 0

    def add(self, verdict: Verdict) -> None:
        """Take one verdict in."""
        self.asked_since = min(self.asked_since, verdict.asked_at)
        match verdict:
            case Row(values, size):
                self.rows.append(values)
                self.size += size
            case Missing(resource_id):
                self.missing.append(resource_id)
            case Rejected(payload=payload):
                self.rejected.append(verdict)
                self.size += len(payload or "")
            case Failed(resource_id, reason):
                self.failed[resource_id] = reason

    def __len__(self) -> int:
        return len(self.rows) + len(self.missing) + len(self.rejected) + len(self.failed)
