"""A deployment's own SQL files over the built-in ones: how one is copied, and whether its original has changed."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from linkt_pipeline.transform.header import BUILT_IN
from linkt_pipeline.transform.model import ModelKey
from linkt_pipeline.transform.sql_files import SqlFiles, key_of, place_of, read_text

_TAKEN_OVER = re.compile(rf"^--\s*{BUILT_IN}\s*:\s*(\w+)\s*$", re.MULTILINE)


def take_over(built_in: Path, own_dir: Path) -> Path:
    """Copy a built-in file into a folder of one's own, with a line that says what it was.

    Returns:
        The copy.

    Raises:
        FileExistsError: there is a file of this name.
        ModelFileError: the file can't be read.
        OSError: the copy can't be written.
    """
    copy = own_dir / Path(place_of(built_in)).relative_to("sql")
    copy.parent.mkdir(parents=True, exist_ok=True)
    with copy.open("x", encoding="utf-8") as file:
        file.write(f"-- {BUILT_IN}: {_digest(built_in)}\n{read_text(built_in)}")
    return copy


def origins(files: SqlFiles) -> Mapping[ModelKey, str]:
    """Notes on the tables whose file does not come with the package."""
    return {
        key_of(path): "own, in place of the built-in one" if path in files.replaced else "own"
        for path in sorted(files.own, key=lambda path: path.suffix)
    }


def outdated(files: SqlFiles) -> list[str]:
    """A line for each file that was taken over from a built-in one which the package has changed since."""
    lines = []
    for path, built_in in files.replaced.items():
        said = _TAKEN_OVER.search(read_text(path))
        if said and said[1] != _digest(built_in):
            lines.append(
                f"{path}: the built-in {place_of(built_in)} has changed since it was copied; compare with {built_in}, "
                f"take over what you want, then write '-- {BUILT_IN}: {_digest(built_in)}' into the header"
            )
    return lines


def _digest(path: Path) -> str:
    return hashlib.sha256(read_text(path).encode()).hexdigest()[:12]
