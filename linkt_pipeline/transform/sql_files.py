"""Which files of sql/ are read, and what to say of those that can't be.

A file that is passed over in silence looks like one that works. So everything that looks like a model is either read
or refused, and only what editors and operating systems leave behind is left alone.

A deployment's own folder lies over the built-in one: a file of the same folder and name takes the place of another, and
one whose header says ``-- disabled: true`` takes it away.
"""

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.model import ModelKey
from linkt_pipeline.transform.names import file_problem, schema_problem

_SUFFIXES = (".sql", ".csv")
_CASES = ".cases.csv"  # tests of macros; see cases.py
_SEEDS = "seeds"
_DISABLED = re.compile(r"--\s*disabled\s*:\s*true\s*", re.IGNORECASE)
_CHECKS = "checks"
LANDED_CHECKS_FOLDER = f"{_CHECKS}/linkt"
"""Checks of what is landed, which no file of sql/ makes; the one folder within a folder."""
_SPECIAL_FOLDERS = frozenset({_CHECKS, "macros", _SEEDS})


@dataclass(frozen=True)
class SqlFiles:
    """The files of one or more folders of models.

    Attributes:
        by_folder: the files that can be read, by folder, in the order of their names.
        problems: files whose name or place can't be used.
        own: those that do not come from the first folder.
        replaced: for each file that took the place of another, that one.
        disabled: files that are there to take another one away.
    """

    by_folder: Mapping[str, list[Path]]
    problems: list[ModelFileError]
    own: frozenset[Path]
    replaced: Mapping[Path, Path]
    disabled: frozenset[Path]

    @property
    def folders(self) -> list[str]:
        """Names of the folders that hold files."""
        return sorted(self.by_folder)

    def of(self, folder: str) -> list[Path]:
        """The files of a folder; none if it does not exist."""
        return self.by_folder.get(folder, [])


def find_files(*sql_dirs: Path) -> SqlFiles:
    """Look through folders of models, checks, macros and seeds, each of which lies over those before it."""
    found: dict[tuple[str, str], Path] = {}
    problems, replaced, disabled = [], {}, set()
    for sql_dir in sql_dirs:
        for path in sorted(_walk(sql_dir)):
            if problem := _problem(path, path.relative_to(sql_dir)):
                problems.append(ModelFileError(path, 1, problem))
                continue
            place = path.parent.relative_to(sql_dir).as_posix(), path.name
            before = found.pop(place, None)
            if _is_disabled(path):
                disabled.add(path)
                if place[0] == _SEEDS:
                    found.pop((_SEEDS, f"{path.stem}.csv"), None)
                continue
            if before is not None:
                replaced[path] = before
            found[place] = path
    by_folder: dict[str, list[Path]] = {}
    for place in sorted(found):
        by_folder.setdefault(place[0], []).append(found[place])
    own = frozenset(path for path in found.values() if sql_dirs[0] not in path.parents)
    return SqlFiles(by_folder, problems, own, replaced, frozenset(disabled))


def place_of(path: Path) -> str:
    """A file as a reader of sql/ knows it, such as ``sql/marts/companies.sql``."""
    is_nested = path.parts[-3:-1] == tuple(LANDED_CHECKS_FOLDER.split("/"))
    return "/".join(("sql", *path.parts[-3 if is_nested else -2 :]))


def _is_disabled(path: Path) -> bool:
    if path.suffix != ".sql":
        return False
    try:
        lines = read_text(path).splitlines()
    except ModelFileError:
        return False  # the reader of the file reports the error
    header = itertools.takewhile(lambda line: not line.strip() or line.lstrip().startswith("--"), lines)
    return any(_DISABLED.fullmatch(line.strip()) for line in header)


def key_of(path: Path) -> ModelKey:
    """The table that a file stands for."""
    return ModelKey(path.parent.name, path.stem)


def read_text(path: Path) -> str:
    """The text of a file, without the byte-order mark that some editors put in front.

    Raises:
        ModelFileError: it can't be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelFileError(path, 1, f"can't be read: {error}; save the file as UTF-8") from None
    except OSError as error:
        raise ModelFileError(path, 1, f"can't be read: {error}") from None


def _walk(sql_dir: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(sql_dir, followlinks=True):
        folders[:] = [name for name in folders if not _is_dropping(name)]
        for name in files:
            if Path(name).suffix.lower() in _SUFFIXES and not _is_dropping(name) and not name.endswith(_CASES):
                yield Path(folder, name)


def _is_dropping(name: str) -> bool:
    """Left behind by an editor, a version control or an operating system: ``.#x.sql``, ``._x.sql``, ``#x.sql#``."""
    return name.startswith((".", "#", "~")) or name.endswith(("~", "#")) or name == "__pycache__"


def _problem(path: Path, place: Path) -> str | None:
    *folders, _ = place.parts
    if len(folders) != 1 and place.parent.as_posix() != LANDED_CHECKS_FOLDER:
        where = f"sql/{folders[0]}/{path.name}" if folders else f"sql/marts/{path.name}"
        return f"files lie directly in a folder of sql/, which is their schema: move this one to {where}"
    if folders[0] not in _SPECIAL_FOLDERS and (problem := schema_problem(folders[0])):
        return problem
    if path.suffix.lower() == ".csv" and folders[0] != _SEEDS:
        return f"a CSV file is a seed and lies in sql/{_SEEDS}: move this one to sql/{_SEEDS}/{path.name}"
    return file_problem(path.stem, path.suffix)
