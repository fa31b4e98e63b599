"""Who holds a lease of the ledger: a process that can be told from all others, and whose end can be noticed."""

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process that can hold leases, recognisable from another process of the same machine."""

    name: str

    @classmethod
    def this_process(cls) -> "Owner":
        """A new owner for this process."""
        return cls(f"{_process_space()}/{os.getpid()}/{uuid.uuid4().hex[:12]}")


def owner_is_gone(name: str) -> bool:
    """Whether the process behind an owner's name surely lives no more (False when that can't be told)."""
    space, _, rest = name.rpartition("/")[0].rpartition("/")
    if space != _process_space() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def describe_owner(name: str | None) -> str:
    """An owner's name for a person: ``PID 4711 on host``."""
    match (name or "nobody").rsplit("/", 3):
        case [host, _, pid, _] if pid.isdigit():
            return f"PID {pid} on {host}"
    return name or "nobody"


def _process_space() -> str:
    """Host and PID namespace: a process id means the same process only inside both."""
    namespace = Path("/proc/self/ns/pid")
    inode = namespace.stat().st_ino if namespace.exists() else 0
    return f"{socket.gethostname()}/{inode}"
