"""Who may read what a deployment writes: it holds personal data, so by default its owner alone.

The folder itself keeps others out, whatever permissions the files inside have. If the published files are for other
users of the machine too, the folder lets these users through without listing its contents, and everything in it except
``published/`` has closed permissions itself.
"""

import os
from enum import StrEnum
from pathlib import Path
from stat import S_IMODE

PUBLISHED = "published"
_MARKS = ("dagster.yaml", "warehouse.duckdb", "linkt.duckdb")  # of a folder that belongs to a deployment
_OTHERS = 0o077


class Readers(StrEnum):
    """Who may read the published files, besides the user who runs the pipeline."""

    OWNER = "owner"
    GROUP = "group"
    EVERYONE = "everyone"


_PASSING = {Readers.OWNER: 0o700, Readers.GROUP: 0o710, Readers.EVERYONE: 0o711}
_READING = {Readers.OWNER: 0o700, Readers.GROUP: 0o750, Readers.EVERYONE: 0o755}


def make_private_folder(folder: Path) -> None:
    """Make a folder that nobody else may enter; one that exists is left as it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def secure_folder(root: Path, readers: Readers) -> str | None:
    """Give a deployment's folder the permissions that it should have.

    A folder of another owner, or one that holds other things and nothing of a deployment, keeps its own.

    Returns:
        What a person should know about it: others could read the folder so far, or still can.
    """
    make_private_folder(root)
    before = S_IMODE(root.stat().st_mode)
    wanted = _PASSING[readers]
    if not _is_ours(root):
        return _STILL_OPEN.format(root=root) if before & _OTHERS else None
    published = root / PUBLISHED
    make_private_folder(published)
    if readers is not Readers.OWNER:
        os.umask(_OTHERS)  # of this process and of those it starts: what is made from now on
        for entry in root.iterdir():
            if entry != published and not entry.is_symlink():
                entry.chmod(S_IMODE(entry.stat().st_mode) & ~_OTHERS)
    published.chmod(_READING[readers])
    root.chmod(wanted)
    return _CLOSED.format(root=root, before=before) if before & _OTHERS & ~wanted else None


def open_files(folder: Path) -> None:
    """Let everyone who may enter ``folder`` read its files, whatever the umask was when they were made."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)


_CLOSED = (
    "{root} was open to other users of this machine (mode {before:04o}) and is closed now, because it holds personal "
    "data. BI tools of other users: LINKT_PUBLISHED_FOR, see docs/bi.md"
)
_STILL_OPEN = (
    "other users of this machine can read {root}, which will hold personal data. It is not this user's, or holds other "
    "things, so its permissions were left alone; chmod go-rwx closes it"
)


def _is_ours(folder: Path) -> bool:
    if folder.stat().st_uid != os.geteuid():
        return False
    names = {entry.name for entry in folder.iterdir()}
    return not names or not names.isdisjoint(_MARKS)
