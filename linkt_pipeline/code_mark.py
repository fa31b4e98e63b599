"""A mark of everything that a deployment consists of besides rows: the files of sql/, tasks.yaml, and this package.

The files are read as bytes. So a changed comment changes the mark too, and costs one build that finds nothing to do.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_WRITTEN_BY_PYTHON = "__pycache__"


def mark_of_code(sql_dirs: Iterable[Path], tasks: Path | bytes) -> str:
    """The mark of the files as they lie on the disk now.

    Args:
        sql_dirs: folders of models, checks, macros and seeds. Their contents are read, because people edit them, and
            tools that copy files keep their times. For files of the package, size and time are enough.
        tasks: tasks.yaml, which may be missing, or the values that a program gives in its place.
    """
    digest = hashlib.sha256()
    for sql_dir in sql_dirs:
        _add(digest, Path("sql"), b"")
        for path in _files(sql_dir):
            _add(digest, path.relative_to(sql_dir), path.read_bytes())
    if isinstance(tasks, bytes) or tasks.is_file():
        _add(digest, Path("tasks.yaml"), tasks if isinstance(tasks, bytes) else tasks.read_bytes())
    for path in _files(_PACKAGE):
        found = path.stat()
        _add(digest, path.relative_to(_PACKAGE), f"{found.st_size} {found.st_mtime_ns}".encode())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name != _WRITTEN_BY_PYTHON)
        yield from (Path(place, name) for name in sorted(names))


def _add(digest: "hashlib._Hash", name: Path, content: bytes) -> None:
    for part in (os.fsencode(name), content):
        digest.update(f"{len(part)} ".encode())
        digest.update(part)
