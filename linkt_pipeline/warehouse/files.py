"""Files that are locked, copied and replaced so that nobody ever sees half of one."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


@contextmanager
def shared_lock(path: Path, *, to_replace: bool = False) -> Iterator[IO[bytes] | None]:
    """Try for the lock that DuckDB's own readers take, which keeps its writers out.

    The lock is of the POSIX kind: it belongs to the process, and ends when any descriptor of the file is closed.

    Args:
        path: the file.
        to_replace: open it so that :func:`exclude_readers` can be called.

    Yields:
        The file, which holds the lock; None if it was not to be had.
    """
    with kept_in_place(path.parent):
        file = path.open("r+b" if to_replace else "rb")
        is_locked = _locked(file, fcntl.LOCK_SH)
    with file:
        yield file if is_locked else None


def exclude_readers(file: IO[bytes]) -> bool:
    """Try to turn a shared lock into that of DuckDB's writers. Returns whether nobody else has the file open."""
    return _locked(file, fcntl.LOCK_EX)


def _locked(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.lockf(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def exclude_rivals(file: IO[bytes]) -> bool:
    """Try for the right to replace a file that is locked. Returns False if another process has that right.

    DuckDB knows nothing of this lock, which ends when the file is closed.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def kept_in_place(folder: Path) -> Iterator[None]:
    """Nobody moves another database into the place of one in this folder.

    Hold it from opening a file until the file is locked. Otherwise another file could take its name in between, and the
    process would lock and write a file that no longer has a name.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # A file system that can't do this lets nobody replace a database either: see free_to_replace.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def free_to_replace(folder: Path) -> Iterator[None]:
    """Wait until nobody is between opening and locking a database of this folder, and keep it so.

    Raises:
        OSError: the file system can't lock folders.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked_file(path: Path) -> Iterator[int]:
    """A small file, made if there is none, that no other process that uses this function has meanwhile; waits for them.

    Yields:
        Its descriptor, for reading and writing.

    Raises:
        OSError: it can't be opened or locked.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


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
    keep_names(target.parent)


def keep_names(folder: Path) -> None:
    """Let the names of the files in a folder, as they are now, survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
