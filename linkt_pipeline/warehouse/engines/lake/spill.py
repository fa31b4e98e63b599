"""A folder for what does not fit into memory, of one process; what a killed process left is removed by the next one."""

import fcntl
import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from linkt_pipeline.permissions import make_private_folder

_LOCK = ".lock"


class Spill:
    """A folder of this process below ``parent``, made at once and locked for as long as it is used."""

    def __init__(self, parent: Path) -> None:
        make_private_folder(parent)
        remove_left_spills(parent)
        self._folder = parent / uuid.uuid4().hex
        self._folder.mkdir(mode=0o700)
        self._lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    @property
    def path(self) -> Path:
        """What DuckDB makes and removes itself."""
        return self._folder / "duckdb"

    def remove(self) -> None:
        """Remove it with all that is in it."""
        os.close(self._lock)
        shutil.rmtree(self._folder, ignore_errors=True)


def remove_left_spills(parent: Path) -> None:
    """Remove the folders of processes that are no more."""
    for lock in parent.glob(f"*/{_LOCK}"):
        with suppress(OSError):
            file = os.open(lock, os.O_RDWR)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(file)
