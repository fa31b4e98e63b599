"""Files that are locked, copied and replaced so that nobody ever sees half of one."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def shared_lock(path: Path) -> Iterator[bool]:
    """Try for the lock that DuckDB's own readers take, which keeps its writers out; tells whether it was had.

    The lock is of the POSIX kind: it belongs to the process, and ends when any descriptor of the file is closed.
    """
    with path.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


@contextmanager
def exclusive_folder(folder: Path) -> Iterator[None]:
    """Keep other processes that use this function out of a folder; waits for them."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def copy_inside_kernel(source: Path, target: Path) -> None:
    """Copy a file as fast as the file system can: by reference where it knows how, else at the speed of the disk."""
    with source.open("rb") as reading, target.open("wb") as writing:
        left = os.fstat(reading.fileno()).st_size
        try:
            while left > 0:
                copied = os.copy_file_range(reading.fileno(), writing.fileno(), left)
                if copied == 0:
                    break
                left -= copied
        except OSError as error:
            if writing.tell() or os.fstat(writing.fileno()).st_size:
                raise
            del error  # not supported between these file systems
            shutil.copyfileobj(reading, writing, 1 << 20)


def move_into_place(source: Path, target: Path) -> None:
    """Replace ``target`` by ``source`` in one step that survives a power cut; readers of the old file keep it."""
    descriptor = os.open(source, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
