"""Ids and times in the forms Linkt uses."""

import hashlib
import uuid
from datetime import UTC, datetime


class ObjectIds:
    """Mints 24-digit ObjectIds: creation time, a part fixed by the seed, and a counter.

    Attributes:
        issued: how many ids were minted; stored with the world so that a restart never repeats one.
    """

    def __init__(self, seed: int, issued: int = 0) -> None:
        self._machine = hashlib.sha256(f"sandbox-{seed}".encode()).hexdigest()[:10]
        self.issued = issued

    def mint(self, at: float) -> str:
        """A new id whose first eight digits are ``at`` in Unix seconds."""
        self.issued += 1
        return f"{int(at):08x}{self._machine}{self.issued & 0xFFFFFF:06x}"


def minted_before(first: str, second: str) -> bool:
    """Whether one id of a world is older than another, also within a second."""
    return first[-6:] < second[-6:]


def flow_run_id(run_id: str) -> str:
    """The workflow engine's UUID for a run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox-flow-{run_id}"))


def timestamp(at: float) -> str:
    """Unix seconds as ISO 8601 in UTC, with the milliseconds that make ``updated_after`` useful within a second."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_timestamp(text: str) -> float:
    """Unix seconds of an ISO 8601 text; without a zone it is UTC.

    Raises:
        ValueError: not a timestamp.
    """
    parsed = datetime.fromisoformat(text)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
