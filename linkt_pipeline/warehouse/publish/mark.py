"""What the files that are published on this host are of: kept beside them, because each host publishes its own."""

import hashlib
from contextlib import suppress
from pathlib import Path

import orjson

from linkt_pipeline.warehouse.publish.snapshot import CATALOG_NAME

_KINDS = ("*.duckdb", "*.parquet", CATALOG_NAME)
_NOTE = ".published.json"


def note_publication(folder: Path, change: str | None, code: str | None) -> None:
    """Write down what the published files hold, right after they were published without a failure.

    Args:
        folder: of the files.
        change: the mark of the rows, see :func:`~linkt_pipeline.warehouse.state.last_change`.
        code: the mark of the code that built the models.
    """
    note = {"change": change, "code": code, "files": mark_of_publication(folder)}
    (folder / _NOTE).write_bytes(orjson.dumps(note))


def is_published(folder: Path, change: str | None, code: str | None) -> bool:
    """Whether the files that lie there were published of these rows by this code, and nobody has changed one since."""
    try:
        noted = orjson.loads((folder / _NOTE).read_bytes())
    except (OSError, ValueError):
        return False
    return bool(noted == {"change": change, "code": code, "files": mark_of_publication(folder)})


def mark_of_publication(folder: Path) -> str:
    """A mark of the published files as they lie there: of their names, sizes and times.

    It changes when any file is published again, changed or gone. What a publication under way keeps in hidden folders
    does not count, nor do other files that somebody has put there.
    """
    digest = hashlib.sha256()
    for path in sorted(path for kind in _KINDS for path in folder.rglob(kind)):
        name = path.relative_to(folder)
        if path.is_symlink() or name.parts[0].startswith("."):
            continue
        with suppress(FileNotFoundError):  # removed by a publication under way
            found = path.stat()
            digest.update(f"{name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
