"""A mark beside the place of a warehouse file, which says that the warehouse is in a lake.

It counts where no file is: nobody makes a new one there, which would know nothing of the runs that are paid for. A
file is put into its place, or taken away, in one step, so the mark need not be written or removed in the same moment.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from linkt_pipeline.warehouse.errors import WarehouseMovedError
from linkt_pipeline.warehouse.files import move_into_place
from linkt_pipeline.warehouse.old_names import has_old_name


@dataclass(frozen=True)
class FileMark:
    """What is known of the warehouse that has no file here.

    Attributes:
        move_id: of the move that left the mark.
        lake: where the warehouse is.
        is_coming: it is being moved from there into a file here.
        since: when the mark was written, in UTC, as messages show it.
    """

    move_id: str
    lake: str
    is_coming: bool
    since: str

    @classmethod
    def at(cls, moment: datetime, move_id: str, lake: str, *, is_coming: bool) -> "FileMark":
        """A mark of a move that leaves it at a moment."""
        return cls(move_id, lake, is_coming, since=f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")


def has_file(path: Path) -> bool:
    """Whether a warehouse file is there, under its name or the one of older versions."""
    return path.exists() or has_old_name(path)


def read_mark(path: Path) -> FileMark | None:
    """The mark beside the place of a file; None if there is none."""
    try:
        return FileMark(**orjson.loads(_mark(path).read_bytes()))
    except (FileNotFoundError, NotADirectoryError):  # the engine says what is wrong with a folder that is none
        return None


def write_mark(path: Path, mark: FileMark) -> None:
    """Leave a mark in place of the one that is there."""
    beside = _mark(path).with_suffix(".next")
    beside.touch(mode=0o600)
    beside.write_bytes(orjson.dumps(asdict(mark), option=orjson.OPT_INDENT_2))
    move_into_place(beside, _mark(path))


def remove_mark(path: Path) -> None:
    """Remove the mark, if there is one."""
    _mark(path).unlink(missing_ok=True)


def coming_file(path: Path) -> Path:
    """Where a move writes a file that is to come to a place."""
    return path.with_name(f"{path.name}.moving") / path.name


def require_not_moved(path: Path) -> None:
    """Refuse to make a warehouse in a file where one was moved away.

    Raises:
        WarehouseMovedError: says where the warehouse is.
    """
    if has_file(path) or (mark := read_mark(path)) is None:
        return
    if mark.is_coming:
        raise WarehouseMovedError(
            f"{path} does not exist yet: a move from {mark.lake} was begun at {mark.since} and is not finished. "
            "Nothing was read or sent. Finish it with LINKT_CATALOG and LINKT_LAKE_PATH set: "
            "linkt-pipeline move --to file"
        )
    raise WarehouseMovedError(
        f"{path} was moved to {mark.lake} at {mark.since}, with its open runs. Nothing was read or sent. Set "
        "LINKT_CATALOG and LINKT_LAKE_PATH to use it there; `linkt-pipeline move --to file` brings it back. To begin "
        f"anew all the same, remove {_mark(path)}"
    )


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.stem}.moved.json")
