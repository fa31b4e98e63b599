"""Which files of sql/ are read, and what to say of those that can't be.

A file that is passed over in silence looks like one that works. So everything that looks like a model is either read
or refused, and only what editors and operating systems leave behind is left alone.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.model import ModelKey
from linkt_pipeline.transform.names import file_problem, schema_problem

_SUFFIXES = (".sql", ".csv")
_CASES = ".cases.csv"  # tests of macros; see cases.py
_SEEDS = "seeds"
_SPECIAL_FOLDERS = frozenset({"checks", "macros", _SEEDS})


@dataclass(frozen=True)
class SqlFiles:
    """The files of a folder of models.

    Attributes:
        by_folder: the files that can be read, by folder, in the order of their names.
        problems: files whose name or place can't be used.
    """

    by_folder: Mapping[str, list[Path]]
    problems: list[ModelFileError]

    @property
    def folders(self) -> list[str]:
        """Names of the folders that hold files."""
        return sorted(self.by_folder)

    def of(self, folder: str) -> list[Path]:
        """The files of a folder; none if it does not exist."""
        return self.by_folder.get(folder, [])


def find_files(sql_dir: Path) -> SqlFiles:
    """Look through the folder of models, checks, macros and seeds."""
    found: dict[str, list[Path]] = {}
    problems = []
    for path in sorted(_walk(sql_dir)):
        problem = _problem(path, path.relative_to(sql_dir))
        if problem is None:
            found.setdefault(path.parent.name, []).append(path)
        else:
            problems.append(ModelFileError(path, 1, problem))
    return SqlFiles(found, problems)


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
    if len(folders) != 1:
        where = f"sql/{folders[0]}/{path.name}" if folders else f"sql/marts/{path.name}"
        return f"files lie directly in a folder of sql/, which is their schema: move this one to {where}"
    if folders[0] not in _SPECIAL_FOLDERS and (problem := schema_problem(folders[0])):
        return problem
    if path.suffix.lower() == ".csv" and folders[0] != _SEEDS:
        return f"a CSV file is a seed and lies in sql/{_SEEDS}: move this one to sql/{_SEEDS}/{path.name}"
    return file_problem(path.stem, path.suffix)
