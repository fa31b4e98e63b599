"""Files in a deployment's folder that nobody here has written: an erasure leaves them alone and names them.

What this product writes is known by its place and name. Anything else is somebody's own: an export beside the published
files, a copy of the warehouse, a note.
"""

from collections.abc import Iterator
from pathlib import Path

from linkt_pipeline.assets.erased_history import databases, printed_files
from linkt_pipeline.settings import Settings
from linkt_pipeline.warehouse.old_names import OLD_NAME
from linkt_pipeline.warehouse.publish.parquet import RECORD_NAME
from linkt_pipeline.warehouse.publish.snapshot import CATALOG_NAME
from linkt_pipeline.warehouse.tombstones import Mentions
from linkt_pipeline.warehouse.warehouse import Warehouse

REPORT_NAME = "report.html"

_CHUNK = 1 << 20
_OVERLAP = 1 << 10  # longer than any address
_OF_THE_STAND_IN = "api"  # the sandbox's own world: what Linkt has is not ours to erase
_PACKED = {  # what a file begins with (and where) whose bytes do not show what it holds
    (8, b"DUCK"): "a DuckDB database",
    (0, b"PAR1"): "a Parquet file",
    (0, b"PK\x03\x04"): "an archive or a spreadsheet",
    (0, b"\x1f\x8b"): "a compressed file",
    (0, b"\x28\xb5\x2f\xfd"): "a compressed file",
    (0, b"BZh"): "a compressed file",
    (0, b"\xfd7zXZ"): "a compressed file",
}


def notes_on_foreign_files(settings: Settings, warehouse: Warehouse, mentions: Mentions) -> list[str]:
    """A note on each file that a person has to look at: it mentions what is erased, or it can't be searched."""
    if mentions.is_empty:
        return []
    return [note for path in _foreign(settings, warehouse) if (note := _note_on(path, mentions))]


def _foreign(settings: Settings, warehouse: Warehouse) -> Iterator[Path]:
    root = settings.root
    ours = {*databases(root), *printed_files(root), root / REPORT_NAME}
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and path not in ours:
            is_log = path.with_name(path.name.removesuffix("-wal").removesuffix("-shm")) in ours
            is_of_the_stand_in = root / _OF_THE_STAND_IN in path.parents
            is_published = _is_published(settings.published_dir, path)
            if not (is_log or is_of_the_stand_in or is_published or warehouse.owns(path)):
                yield path


def _is_published(folder: Path, path: Path) -> bool:
    if folder not in path.parents:
        return False
    match path.relative_to(folder).parts:
        case (name,):
            return name in ("warehouse.duckdb", OLD_NAME, CATALOG_NAME, RECORD_NAME, ".lock")
        case (schema, name):  # a publication removes the file of a table that no longer exists
            return schema == ".next" or name.endswith(".parquet")
        case (first, *_):
            return first == ".next"
    return False


def _note_on(path: Path, mentions: Mentions) -> str | None:
    if mentions.are_in(path.name):
        return f"the name of {path} mentions it, and it is no file of linkt-pipeline; delete it or give it another name"
    try:
        with path.open("rb") as file:
            begins = file.read(16)
            file.seek(0)
            for (place, mark), what in _PACKED.items():
                if begins[place:].startswith(mark):
                    return (
                        f"{path} is {what} that linkt-pipeline did not write, so it could not be searched; delete it "
                        "if it is a copy of rows"
                    )
            rest = b""
            while chunk := file.read(_CHUNK):
                if _are_in(rest + chunk, mentions):
                    said = "mentions it as well and is no file of linkt-pipeline; delete it, or take it out by hand"
                    return f"{path} {said}"
                rest = chunk[-_OVERLAP:]
    except OSError as error:
        return f"{path} is no file of linkt-pipeline and could not be searched: {error.strerror or error}"
    return None


def _are_in(data: bytes, mentions: Mentions) -> bool:
    if mentions.are_in(data.decode("utf-8", "replace")):
        return True
    return b"\0" in data and mentions.are_in(data.replace(b"\0", b"").decode("utf-8", "replace"))  # UTF-16
