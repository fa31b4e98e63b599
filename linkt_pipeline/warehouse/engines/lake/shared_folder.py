"""Whether a folder of this host is the one in which the files of a lake lie.

A lake's folder must be the same on every host. A disk of one host's own under the same name, or a share that is not
mounted, would take the rows of this host, and no other host could read them. So the folder is marked when the lake is
made, and a host that finds no mark neither reads nor writes.
"""

from pathlib import Path

from linkt_pipeline.permissions import make_private_folder
from linkt_pipeline.warehouse.engines.lake.place import LakePlace
from linkt_pipeline.warehouse.errors import LakeFilesMissingError

MARK = "linkt_lake.txt"
_TEXT = "The Parquet files of a lake of linkt-pipeline lie here. Every host that uses the lake must have this folder.\n"


def make_folder(place: LakePlace) -> None:
    """Make the folder of a new lake, with its mark."""
    make_private_folder(Path(place.files))
    (Path(place.files) / MARK).write_text(_TEXT, encoding="utf-8")


def require_folder(place: LakePlace) -> None:
    """Go on only where the folder of a lake that was made is there.

    Raises:
        LakeFilesMissingError: it is not.
    """
    if not place.is_in_bucket and not (Path(place.files) / MARK).is_file():
        raise LakeFilesMissingError(
            f"{place}: this host has not the folder in which the other hosts keep the files ({MARK} is not in it), so "
            "nothing was read or written. Mount the shared folder under the name in LINKT_LAKE_PATH, or use a bucket"
        )
