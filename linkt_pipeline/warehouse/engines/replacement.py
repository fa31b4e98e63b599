"""Puts another file in the place of the warehouse, so that nobody reads or writes a file that lost its place.

A process opens the warehouse, then locks it. In between, another file could take the name of the opened one, and what
the process then writes would be lost. So every process opens the file under a shared lock of the folder. A process that
moves a file into place holds the folder's exclusive lock and, alone, the old file's own lock. A process that opens the
warehouse later finds the new file. A process that is killed leaves the old file or the new one, both whole.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from stat import S_IMODE
from typing import IO

from linkt_pipeline.warehouse.errors import WarehouseBusyError
from linkt_pipeline.warehouse.files import exclude_readers, free_to_replace, keep_names, move_into_place

_PAUSE = 0.02  # seconds between two looks for readers, who have the file for milliseconds


class Replacement:
    """What is to take the place of a file; see ``FileWarehouse.replaceable``.

    Args:
        path: the file that is there.
        file: the same, open and locked against writers.
        timeout: how long to wait for readers.

    Attributes:
        workspace: an empty folder on the same file system, removed in the end.
        beside: the file in it that is to be moved.
    """

    def __init__(self, path: Path, file: IO[bytes], timeout: timedelta) -> None:
        self.path = path
        self.workspace = _workspace(path)
        self.beside = self.workspace / path.name
        self._file = file
        self._timeout = timeout.total_seconds()

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """With the workspace, which holds nothing that a killed process left."""
        remove_leftovers(self.path)
        self.workspace.mkdir(mode=0o700)
        try:
            yield
        except BaseException:
            remove_leftovers(self.path)
            raise

    def discard(self) -> None:
        """Leave everything as it is."""
        remove_leftovers(self.path)

    def move_into_place(self) -> None:
        """Move the file at ``beside`` to ``path``. It gets the old one's permissions, and survives a power cut.

        The caller must not have closed any descriptor of the old file since it was locked: that ends the lock.

        Raises:
            WarehouseBusyError: somebody reads the old file for longer than the timeout.
            OSError: the disk refuses.
        """
        self.beside.chmod(S_IMODE(self.path.stat().st_mode))
        self._wait_for_readers()
        with free_to_replace(self.path.parent):
            move_into_place(self.beside, self.path)
            remove_leftovers(self.path)  # here, because the next process may prepare its own as soon as it can open

    def set_aside(self, aside: Path) -> None:
        """Take the file away from its place, in one step that survives a power cut. Readers keep it.

        Args:
            aside: its new name, in the same folder.

        Raises:
            OSError: the disk refuses.
        """
        with free_to_replace(self.path.parent):
            self.path.rename(aside)
            keep_names(self.path.parent)
            remove_leftovers(self.path)

    def _wait_for_readers(self) -> None:
        deadline = time.monotonic() + self._timeout
        while not exclude_readers(self._file):
            if time.monotonic() > deadline:
                raise WarehouseBusyError(
                    f"{self.path} has been read by another program for {self._timeout:.0f} s, so it was left as it is. "
                    "Close that program, or point it at the published snapshot instead (published/warehouse.duckdb "
                    "beside the warehouse); then run the same command again"
                )
            time.sleep(_PAUSE)


def remove_leftovers(path: Path) -> None:
    """Remove what a killed process had prepared for this place. The caller must hold the lock that keeps others out."""
    workspace = _workspace(path)
    if workspace.exists():
        shutil.rmtree(workspace, ignore_errors=True)  # else the next one does


def _workspace(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")
