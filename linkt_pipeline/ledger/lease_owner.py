"""Who holds a lease of the ledger: a process whose name no other process has, and whose end others can notice."""

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
    """Whether the process behind an owner's name has certainly ended; False if nobody can know that from here."""
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
    """Host, boot and PID namespace: a process id names one process only where all three are the same.

    Cloned machines share a host name, and their first PID namespaces have the same number. Only the boot differs.
    """
    return f"{socket.gethostname()}/{_boot()}-{_inode_of_pid_namespace()}"


def _boot() -> str:
    """The kernel's own id of this boot; empty where the system has none, such as macOS."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text(encoding="ascii").strip() if boot.exists() else ""


def _inode_of_pid_namespace() -> int:
    namespace = Path("/proc/self/ns/pid")
    return namespace.stat().st_ino if namespace.exists() else 0
